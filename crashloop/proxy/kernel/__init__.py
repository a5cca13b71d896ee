"""The kernel's own interfaces: dropped SYNs, seen RSTs, socket diagnostics, precise timers."""

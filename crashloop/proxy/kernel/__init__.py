"""Interfaces of the kernel: dropped SYNs, RSTs on the wire, socket diagnostics, timers."""

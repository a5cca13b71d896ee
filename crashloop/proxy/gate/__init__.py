"""The listening address of a proxy: open, refusing, or dropping SYNs."""

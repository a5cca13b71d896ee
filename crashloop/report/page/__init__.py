"""Pages of one file each: no script is needed to read them, and nothing is loaded. Pure."""

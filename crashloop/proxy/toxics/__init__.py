"""The toxics of one direction of a link: they carry out link faults without doing I/O."""

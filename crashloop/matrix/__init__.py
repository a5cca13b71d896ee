"""The signatures of the library, each against the traces of all incidents and faults."""

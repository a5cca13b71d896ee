"""The Docker engine: the app as a container under Docker's own restart policy."""

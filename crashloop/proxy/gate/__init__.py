"""The listening address: what a client's connect() sees, open or under a fault."""

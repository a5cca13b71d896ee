"""The fault proxy's HTTP API: Toxiproxy 2.12's, with extensions, and the process that serves it."""

"""Make a start-up outage happen on your own machine, say why, and prove what ends it."""

__version__ = "0.1.0"

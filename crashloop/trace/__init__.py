"""The append-only record of everything that happened in one run."""

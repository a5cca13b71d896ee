"""Remedies: what could have ended the outage. Each is a setting, off by default."""

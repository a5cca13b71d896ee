"""Remedies: what could have ended the outage. Each is a setting, off by default.

`Context.around` is where a remedy wraps the work of a phase.
"""

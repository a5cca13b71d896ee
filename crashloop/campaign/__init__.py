"""Comparisons of remedies: trials, what they measured, and what that decides."""

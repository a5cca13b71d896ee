"""A whole library of outages against one app: what is run, and what it adds up to.

Pure, except `children`, which runs each of them in a process of its own.
"""

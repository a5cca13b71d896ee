"""Restart policies as pure functions, and the loop that really restarts a process under one."""

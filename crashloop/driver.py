"""What using a connection of asyncpg can raise."""

from __future__ import annotations

import asyncpg

# One that breaks off in the very instant in which it is used again raises InternalClientError.
NO_ANSWER = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Nothing answers, or the connection breaks off."""

NO_RESULT = (*NO_ANSWER, asyncpg.PostgresError)
"""As NO_ANSWER, or the server refuses what it was asked."""

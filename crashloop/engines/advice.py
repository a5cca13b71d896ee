"""Hints for a failure, chosen by the failing program's output."""

from __future__ import annotations

ITS_OWN_WORDS = "the lines above are its own words"


def hint_for(text: str) -> str:
    """Choose a hint by a program's output `text` in the C locale; if none fits, to read it."""
    hints = {
        "No space left on device": "free some space there: a run needs about 100 MB",
        "Disk quota exceeded": "free some space there: a run needs about 100 MB",
        "Permission denied": "see which user owns the path above, or use another Postgres with "
        "--postgres-bin DIR",
        "Address already in use": "end what listens there, or leave the port to crashloop",
        "error while loading shared libraries": "the Postgres installation is incomplete: install "
        "it again, or use another with --postgres-bin DIR",
        "could not create shared memory segment": "no shared memory is left: `ipcs -m` lists who "
        "holds it",
    }
    found = [hint for words, hint in hints.items() if words in text]
    return found[0] if found else ITS_OWN_WORDS

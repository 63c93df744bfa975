"""A folder that one process has: stores in buckets and databases do not say by themselves who works on them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from zdda.storage.blob_store import StoreFailed

NAME = "archive.lock"


class FolderGuard:
    """Holds the folder until it is closed, or until the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """Raises ``StoreFailed`` where another process has the folder."""
        self._guard = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._guard)
            raise StoreFailed("another process has opened this archive") from error

    def close(self) -> None:
        """Lets another process have the folder."""
        os.close(self._guard)

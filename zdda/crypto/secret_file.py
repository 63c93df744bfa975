"""A secret in a file: one line that only the file's owner may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from zdda.model.errors import Unavailable


class SecretUnreadable(Unavailable):
    """The file of a secret is absent, open to others, or holds no secret. The message never shows it."""

    code = "secret-unreadable"


def secret_from_file(path: Path, what: str, longest: int) -> str:
    """The first line, of ``longest`` bytes at most; ``what`` names the secret. Raises ``SecretUnreadable``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SecretUnreadable(f"the file of {what} cannot be read ({type(error).__name__})") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) or mode & 0o077:
            raise SecretUnreadable(f"the file of {what} must be readable by its owner alone (0600)")
        line = os.read(descriptor, longest + 2).partition(b"\n")[0].removesuffix(b"\r")
    finally:
        os.close(descriptor)
    try:
        secret = line.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretUnreadable(f"the file of {what} is not UTF-8") from None
    if not secret or len(line) > longest:
        raise SecretUnreadable(f"the file of {what} holds none")
    return secret

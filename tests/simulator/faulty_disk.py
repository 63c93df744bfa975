"""A disk that fails at one chosen call of the operating system: before it persists, in the middle, or after."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CALLS = ("write", "pwrite", "fsync", "fdatasync", "link", "replace", "unlink")


@contextmanager
def failing(
    monkeypatch: pytest.MonkeyPatch, call: str, at: int, when: str, code: int = errno.EIO
) -> Iterator[Callable[[], int]]:
    """Fails the ``at``-th call (from 1) of ``os.<call>``; ``when`` is before, middle or after. Gives a counter.

    ``middle`` writes half of the bytes first; calls that write nothing fail as before.
    """
    count = [0]
    original: Any = getattr(os, call)

    def replaced(*arguments: Any, **named: Any) -> Any:
        count[0] += 1
        if count[0] != at:
            return original(*arguments, **named)
        if when == "after":
            original(*arguments, **named)
        elif when == "middle" and call in ("write", "pwrite"):
            descriptor, data, *rest = arguments
            original(descriptor, bytes(data)[: len(data) // 2], *rest)
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, replaced)
        yield lambda: count[0]

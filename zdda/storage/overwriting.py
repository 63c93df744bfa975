"""Overwriting a file in place, in passes, each on the disk before the next begins.

The pattern is that of DoD 5220.22-M: zeros, ones, random bytes, then the last pass is read back. Where a file system
or a disk writes elsewhere than where the bytes lie (copy-on-write, snapshots, flash), passes reach what the file
system shows; that the bytes are unreadable then rests on their key alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from zdda.model.clock import Entropy

PASSES = ("zeros", "ones", "random")
"""Of which as many are made as asked, again from the first where there are more."""
_CHUNK = 1024 * 1024


def overwrite(
    path: Path, passes: int, entropy: Entropy, sync: Callable[[int], None], after_pass: Callable[[str], None]
) -> tuple[str, ...]:
    """Overwrites all bytes of a file ``passes`` times (1 at least), syncs each pass, reads the last one back.

    ``sync`` makes a descriptor durable; ``after_pass`` is called with each pass's name. Gives the passes made.
    Raises ``OSError``, also where the last pass is not what can be read.
    """
    if passes < 1:
        raise ValueError("a file is overwritten once at least")
    done = tuple(PASSES[number % len(PASSES)] for number in range(passes))
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        length = os.fstat(descriptor).st_size
        for name in done:
            written = _write(descriptor, length, name, entropy)
            sync(descriptor)
            after_pass(name)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        if _read(descriptor, length) != written:
            raise OSError("the last pass is not what the disk gives back")
    finally:
        os.close(descriptor)
    return done


def _write(descriptor: int, length: int, name: str, entropy: Entropy) -> bytes:
    digest, at = hashlib.sha256(), 0
    while at < length:
        size = min(_CHUNK, length - at)
        chunk = {"zeros": bytes(size), "ones": b"\xff" * size}.get(name) or entropy(size)
        digest.update(chunk)
        view = memoryview(chunk)
        while view:
            written = os.pwrite(descriptor, view, at)
            view, at = view[written:], at + written
    return digest.digest()


def _read(descriptor: int, length: int) -> bytes:
    digest, at = hashlib.sha256(), 0
    while chunk := os.pread(descriptor, min(_CHUNK, length - at), at):
        digest.update(chunk)
        at += len(chunk)
    return digest.digest()

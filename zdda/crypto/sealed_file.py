"""A small file that is replaced as a whole, and whose former contents are overwritten: what it held is to be gone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zdda.model.clock import Entropy
from zdda.model.errors import IntegrityError

PASSES = 3
_CHUNK = 1024 * 1024


@contextmanager
def held_alone(path: Path) -> Iterator[None]:
    """No other process writes or reads the file meanwhile (a lock file beside it)."""
    lock = os.open(_beside(path, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextmanager
def held_to_read(path: Path) -> Iterator[None]:
    """No other process writes the file meanwhile. Makes nothing: without a lock file nobody has ever replaced it."""
    try:
        lock = os.open(_beside(path, "lock"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


def replace_file(path: Path, data: bytes, entropy: Entropy) -> None:
    """Old content or new, never a mixture, and durable on return; the bytes of the old content are overwritten.

    Call within ``held_alone``. A crash leaves the old content with the new one beside it (``.new``), or the new one
    with the old beside it (``.old``); the next call, or ``sweep``, overwrites what is beside. Raises ``OSError``.
    """
    sweep(path, entropy)
    new, old = _beside(path, "new"), _beside(path, "old")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _write(descriptor, data, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    with suppress(FileNotFoundError):  # the first content has none before it
        os.link(path, old)
    _sync_folder(path)
    new.replace(path)
    _sync_folder(path)
    sweep(path, entropy)


def sweep(path: Path, entropy: Entropy) -> None:
    """Overwrites and removes what ``replace_file`` left beside the file. Call within ``held_alone``.

    Raises ``IntegrityError`` where the file itself is gone: what is beside it may be all that there is.
    """
    for each in (_beside(path, "new"), _beside(path, "old")):
        if not each.exists():
            continue
        if not path.exists():
            if each.suffix == ".new":
                overwrite(each, entropy)  # of a first content that was never in force
                continue
            raise IntegrityError(f"{path.name} is gone, and {each.name} is there")
        if not each.samefile(path):
            overwrite(each, entropy)
        else:
            each.unlink()
            _sync_folder(each)


def overwrite(path: Path, entropy: Entropy, passes: int = PASSES) -> None:
    """Overwrites a file in place (zeros, ones, random, …), each pass on the disk before the next, and removes it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        length = os.fstat(descriptor).st_size
        for number in range(passes):
            for start in range(0, length, _CHUNK):
                count = min(_CHUNK, length - start)
                _write(descriptor, (b"\0" * count, b"\xff" * count, b"")[number % 3] or entropy(count), start)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    path.unlink()
    _sync_folder(path)


def _write(descriptor: int, data: bytes, start: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, start)
        view, start = view[written:], start + written


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{suffix}")


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

"""What the file system under a store can do, found out on a file of its own before the first object is written.

Network file systems take calls and do less, or something else: SFTP keeps times in 32 bits and wraps a later one into
the past, some have no hard links, most no immutable flag, and a lock on a file may bind this machine alone.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from zdda.storage.blob_store import StoreNotGuaranteed
from zdda.storage.durable_files import set_immutable

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
GONE = frozenset({errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ECONNABORTED, errno.ENODEV})
"""Errors of a mount whose server, or whose process, is gone."""
_SOONEST = datetime(2030, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_ALONE = ("fuse", "9p", "virtiofs", "cifs", "smb")
"""Kinds of file systems of which nobody knows whether a file's lock is seen by another machine."""
_NAME = "probe"


@dataclass(frozen=True, slots=True)
class FileSystemTraits:
    """``latest_lock``: the latest moment that a file's modification time keeps, at most the moment asked for."""

    latest_lock: datetime
    immutable: bool
    lock_reaches: bool
    """Whether a second opener is noticed wherever it runs."""

    def limits(self) -> list[str]:
        """What it lacks, for a person; empty for a local file system whose flags we may set."""
        lacking = []
        if not self.immutable:
            lacking.append("no immutable flag: mode 0400 alone stops accidents")
        if not self.lock_reaches:
            lacking.append("a second archive that opens the folder from another machine is not noticed")
        if self.latest_lock.year < 2200:
            lacking.append(f"one lock ends on {self.latest_lock:%Y-%m-%d} at the latest, and is prolonged before")
        return lacking


def probe(folder: Path, spare: Path, latest: datetime) -> FileSystemTraits:
    """Tries times on ``spare``, a file that is there for something else, links and flags on files of its own in an
    empty folder, which it removes. On a full file system links and flags are not tried: reading must go on there.

    Raises ``StoreNotGuaranteed`` where a name cannot be given without overwriting or no time of the future is kept;
    ``OSError`` where the medium fails.
    """
    first, second = folder / _NAME, folder / f"{_NAME}.link"
    kept, immutable = _latest(spare, latest), False
    try:
        os.close(os.open(first, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o400))
        _links(first, second)
        immutable = _flag(first)
    except OSError as error:
        if error.errno not in FULL:
            raise
    finally:
        remove(first)
        remove(second)
    return FileSystemTraits(kept, immutable, _lock_reaches(folder))


def remove(file: Path) -> None:
    """Unlinks a file, also one whose flag a crash left set; one that is not there is no error."""
    set_immutable(file, immutable=False)
    file.unlink(missing_ok=True)


def on_a_mount(folder: Path, beside: Path) -> bool:
    """Whether a folder, which need not be there yet, lies on another file system than ``beside``."""
    while not folder.exists():
        folder = folder.parent
    return folder.stat().st_dev != beside.stat().st_dev


def _links(first: Path, second: Path) -> None:
    try:
        os.link(first, second)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise StoreNotGuaranteed(
            "the file system has no hard links, without which a name cannot be given and never overwritten"
        ) from error
    try:
        os.link(first, second)
    except FileExistsError:
        return
    raise StoreNotGuaranteed("the file system overwrites a name that is there when a link is made")


def _latest(file: Path, latest: datetime) -> datetime:
    """By halving, to the day: a time that is kept is told again as it was set, a later one is cut or wraps."""
    if _keeps(file, latest):
        return latest
    kept, lost = _SOONEST, latest
    if not _keeps(file, kept):
        raise StoreNotGuaranteed("the file system keeps no modification time that lies in the future")
    while lost - kept > _DAY:
        middle = kept + (lost - kept) / 2
        middle = middle.replace(hour=0, minute=0, second=0, microsecond=0)
        if middle <= kept:
            break
        if _keeps(file, middle):
            kept = middle
        else:
            lost = middle
    return kept


def _keeps(file: Path, moment: datetime) -> bool:
    seconds = int(moment.timestamp())
    try:
        os.utime(file, (seconds, seconds))
    except (OSError, OverflowError):
        return False
    return file.stat().st_mtime == seconds


def _flag(file: Path) -> bool:
    held = set_immutable(file, immutable=True)
    set_immutable(file, immutable=False)
    return held


def _lock_reaches(folder: Path) -> bool:
    kind = _kind(folder)
    return kind is None or not kind.startswith(_ALONE)


def _kind(folder: Path) -> str | None:
    """The file system's kind as the kernel names it (``ext4``, ``fuse.sshfs``); None where it does not tell."""
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        mount, _, rest = line.partition(" - ")
        if mount.split()[2:3] == [wanted]:
            return rest.split(" ", 1)[0]
    return None

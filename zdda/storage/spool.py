"""The spool: files of deposits on their way, encrypted from the first byte, durable when finished."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from zdda.crypto.digests import ContentDigests, DigestingCounter
from zdda.crypto.streaming_aead import NONCE_PREFIX_LENGTH, SALT_LENGTH, EncryptingWriter
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.clock import Entropy, system_entropy
from zdda.model.errors import NotFound, Unavailable
from zdda.model.objects import ObjectName
from zdda.storage.blob_store import CrashPoint, no_crash
from zdda.storage.durable_files import make_folder, sync_folder, write_once
from zdda.storage.overwriting import overwrite

CRASH_POINTS = ("spool.before-write", "spool.synced", "spool.named-durably")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,127}")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
MARKER_FORMAT = "zdda-spool/1"
_MARKER = "zdda-spool.json"
_BETWEEN_CHECKS = 4 * 1024 * 1024


class SpoolFull(Unavailable):
    """No room, or less than the reserve; nothing of the file is left."""

    code = "spool-full"


class SpoolFailed(Unavailable):
    """The spool's medium failed."""

    code = "spool-failed"


class Spool:
    """A folder of finished and unfinished files, bounded for what arrives: ``most_bytes`` of all files together (0:
    no bound of its own), and ``minimum_free`` bytes of the file system that stay free, looked at when a file begins
    and after every 4 MiB of it.

    What is on its way already has to get out even when no more is let in: the archive's own files (``arriving``
    false) are not counted against ``most_bytes``, and leave a quarter of ``minimum_free``.
    """

    def __init__(
        self, folder: Path, minimum_free: int = 0, crash: CrashPoint = no_crash, *, most_bytes: int = 0
    ) -> None:
        make_folder(folder)
        self._folder, self._minimum_free, self._crash = folder, minimum_free, crash
        self._most_bytes, self._lock = most_bytes, threading.Lock()
        self._sizes = {name: (folder / name).stat().st_size for name in self.names()}
        self._total = sum(self._sizes.values())

    @property
    def bytes_kept(self) -> int:
        """Bytes of all files, unfinished ones among them."""
        return self._total

    def create(self, name: str, *, arriving: bool = True) -> SpoolFile:
        """A new file; raises ``SpoolFull``, ``ValueError`` for a name that is none."""
        path, check = self._path(name), self.check_room if arriving else self._check_own_room
        self._crash("spool.before-write")
        check()
        try:
            file = SpoolFile(path, self._crash, check, partial(self._grown, name), partial(self._gone, name))
        except OSError as error:
            raise _meaning(error) from error
        self._gone(name)
        return file

    def encrypting(
        self,
        name: str,
        key: bytes,
        object_name: ObjectName,
        entropy: Entropy,
        *,
        of_plaintext: bool = True,
        arriving: bool = True,
    ) -> EncryptedSpoolFile:
        """A new file that takes plaintext and keeps ciphertext; ``of_plaintext``: whether anybody wants its digests."""
        return EncryptedSpoolFile(self.create(name, arriving=arriving), key, object_name, entropy, of_plaintext)

    def open(self, name: str) -> BinaryIO:
        """A finished file; raises ``NotFound``."""
        try:
            return self._path(name).open("rb")
        except FileNotFoundError as error:
            raise NotFound("the spool has no such file") from error

    def path(self, name: str) -> Path:
        """Where a file lies: for a worker process that opens it by itself."""
        return self._path(name)

    def remove(self, name: str) -> None:
        """Removes a file; one that is not there is no error."""
        self._path(name).unlink(missing_ok=True)
        self._gone(name)

    def erase(self, name: str, passes: int = 3, entropy: Entropy = system_entropy) -> bool:
        """Removes a file whose bytes were overwritten in passes before; whether there was one. Safe to repeat."""
        path = self._path(name)
        if not path.exists():
            return False
        try:
            overwrite(path, passes, entropy, os.fsync, lambda _name: None)
            path.unlink()
            sync_folder(self._folder)
        except OSError as error:
            raise _meaning(error) from error
        return True

    def names(self) -> list[str]:
        """Every file, in the order of names; not the spool's own marker."""
        return sorted(path.name for path in self._folder.iterdir() if _MARKER not in path.name)

    def identity(self) -> str | None:
        """What ``claim`` wrote; None where nobody has, or what is there cannot be read."""
        try:
            value = parse_json((self._folder / _MARKER).read_bytes(), 4096)
            found = value["id"] if value["format"] == MARKER_FORMAT else None
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return found if isinstance(found, str) else None

    def claim(self, identity: str) -> None:
        """Says whose spool this is, durably, in place of what was said before."""
        (self._folder / _MARKER).unlink(missing_ok=True)
        write_once(self._folder / _MARKER, canonical_json({"format": MARKER_FORMAT, "id": identity}))

    def check_room(self) -> None:
        """Whether more may arrive: raises ``SpoolFull`` below the reserve and at the bound."""
        if self._most_bytes and self._total >= self._most_bytes:
            raise SpoolFull("the spool holds as much as it may")
        self._check_free(self._minimum_free)

    def _check_own_room(self) -> None:
        self._check_free(self._minimum_free // 4)

    def _check_free(self, least: int) -> None:
        status = os.statvfs(self._folder)
        if status.f_bavail * status.f_frsize < least:
            raise SpoolFull("the spool has no room")

    def _grown(self, name: str, length: int) -> None:
        with self._lock:
            self._sizes[name] = self._sizes.get(name, 0) + length
            self._total += length

    def _gone(self, name: str) -> None:
        with self._lock:
            self._total -= self._sizes.pop(name, 0)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError("not a name of the spool")
        return self._folder / name


class SpoolFile:
    """An unfinished file. ``finish`` makes it durable, ``discard`` removes it; neither raises when repeated.

    After an error nothing of it is left, and it can only be discarded: a sync that failed is never tried again.
    """

    def __init__(
        self,
        path: Path,
        crash: CrashPoint,
        check_room: Callable[[], None],
        grown: Callable[[int], None],
        gone: Callable[[], None],
    ) -> None:
        self._path, self._crash, self._check_room = path, crash, check_room
        self._grown, self._gone = grown, gone
        self._unchecked = 0
        self._finished = False
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Takes all of ``data``; raises ``SpoolFull``, ``SpoolFailed``."""
        self._check_open()
        view = memoryview(data)
        try:
            while view:
                written = self._file.write(view)
                self._grown(written)
                view = view[written:]
            self._unchecked += len(data)
            if self._unchecked >= _BETWEEN_CHECKS:
                self._unchecked = 0
                self._check_room()
        except (OSError, SpoolFull) as error:
            self.discard()
            raise _meaning(error) from error
        return len(data)

    def finish(self) -> None:
        """File and name are on the disk when it returns; raises ``SpoolFull``, ``SpoolFailed``."""
        if self._finished:
            return
        self._check_open()
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            self._crash("spool.synced")
            sync_folder(self._path.parent)
        except OSError as error:
            self.discard()
            raise _meaning(error) from error
        self._finished = True
        self._crash("spool.named-durably")

    def discard(self) -> None:
        """Nothing of it is left."""
        try:
            self._file.close()
        finally:
            self._path.unlink(missing_ok=True)
            self._gone()
            self._finished = False

    def _check_open(self) -> None:
        if self._file.closed:
            raise SpoolFailed("the file is finished, discarded or failed")


class EncryptedSpoolFile:
    """Encrypts on the way in and counts both sides. ``finish`` gives (plaintext, ciphertext) digests, or
    ``finish_stored`` the ciphertext's alone."""

    def __init__(
        self, file: SpoolFile, key: bytes, object_name: ObjectName, entropy: Entropy, of_plaintext: bool = True
    ) -> None:
        self._file, self._cipher = file, DigestingCounter(checksum=False)
        self._plain = DigestingCounter() if of_plaintext else None
        salt, prefix = entropy(SALT_LENGTH), entropy(NONCE_PREFIX_LENGTH)
        counted = _Counted(file, self._cipher)
        try:
            self._writer = EncryptingWriter(counted, key, object_name.associated_data(), salt, prefix)
        except BaseException:
            file.discard()  # nobody else has it yet
            raise
        self._sealed: ContentDigests | None = None

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        if self._plain is not None:
            self._plain.update(data)
        return self._writer.write(data)

    def finish(self) -> tuple[ContentDigests, ContentDigests]:
        """Durable; (plaintext, ciphertext). Raises ``ValueError`` where nobody wanted those of the plaintext."""
        if self._plain is None:
            raise ValueError("the plaintext was not digested")
        stored = self.finish_stored()
        return self._plain.result(), stored

    def finish_stored(self) -> ContentDigests:
        """Durable; those of the ciphertext, without a checksum."""
        if self._sealed is None:
            self._writer.close()
            self._file.finish()
            self._sealed = self._cipher.result()
        return self._sealed

    def discard(self) -> None:
        self._file.discard()


class _Counted:
    def __init__(self, file: SpoolFile, counter: DigestingCounter) -> None:
        self._file, self._counter = file, counter

    def write(self, data: bytes, /) -> int:
        self._counter.update(data)
        return self._file.write(data)


def _meaning(error: OSError | SpoolFull) -> SpoolFull | SpoolFailed:
    if isinstance(error, SpoolFull) or error.errno in _FULL:
        return SpoolFull("the spool has no room")
    return SpoolFailed("the spool's medium fails")

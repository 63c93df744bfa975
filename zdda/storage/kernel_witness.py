"""What the kernel itself reports of a file that is being erased: its record of the deletion, not ours.

fanotify(7) where the process may use it (CAP_SYS_ADMIN): it names the acting process too; else inotify(7). Both report
for local file systems; what happens on a mounted server is reported as far as this machine does it. An audit rule
(``auditctl -w STORE -p wa``) makes the kernel keep a record of its own beside this one.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD = -100
_FAN_NONBLOCK, _FAN_CLOEXEC, _FAN_REPORT_DFID_NAME = 0x2, 0x1, 0xC00
_FAN_MARK_ADD, _FAN_EVENT_ON_CHILD = 0x1, 0x08000000
_KINDS = {0x2: "modified", 0x40: "moved-from", 0x80: "moved-to", 0x200: "deleted"}
"""The same numbers in both interfaces."""
_MASK = sum(_KINDS)
_INFO_DFID_NAME, _INFO_OLD_DFID_NAME, _INFO_NEW_DFID_NAME = 2, 10, 12
_NAMED = frozenset({_INFO_DFID_NAME, _INFO_OLD_DFID_NAME, _INFO_NEW_DFID_NAME})
_METADATA, _INFO, _BEFORE_NAME = struct.Struct("=IBBHQii"), struct.Struct("=BBH"), struct.Struct("=4x8xIi")
_INOTIFY = struct.Struct("=iIII")
_BYTES = 1024 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


class KernelWitness:
    """Reports on the names in some folders since it was made. ``means``: fanotify or inotify."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises ``OSError`` where the kernel gives neither."""
        self.means = "fanotify"
        self._descriptor = _libc.fanotify_init(_FAN_NONBLOCK | _FAN_CLOEXEC | _FAN_REPORT_DFID_NAME, os.O_RDONLY)
        if self._descriptor >= 0:
            mask = ctypes.c_uint64(_MASK | _FAN_EVENT_ON_CHILD)
            marked = [
                _libc.fanotify_mark(self._descriptor, _FAN_MARK_ADD, mask, _AT_FDCWD, os.fsencode(folder))
                for folder in folders
            ]
            if not any(marked):
                return
            os.close(self._descriptor)
        self.means = "inotify"
        self._descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "the kernel does not report on files")
        for folder in folders:
            if _libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _MASK) < 0:
                code = ctypes.get_errno()
                os.close(self._descriptor)
                raise OSError(code, "the kernel does not report on this folder")

    def close(self) -> None:
        os.close(self._descriptor)

    def reports(self) -> list[str]:
        """What was reported since the last time: kind, name, and the acting process where the kernel names it."""
        found: list[str] = []
        while True:
            try:
                data = os.read(self._descriptor, _BYTES)
            except BlockingIOError:
                return found
            found += _fanotify(data) if self.means == "fanotify" else _inotify(data)


@contextmanager
def witnessed(folders: Sequence[Path]) -> Iterator[KernelWitness | None]:
    """A witness while the block lasts; None where the kernel gives none."""
    try:
        witness = KernelWitness(folders)
    except OSError:
        yield None
        return
    try:
        yield witness
    finally:
        witness.close()


def _fanotify(data: bytes) -> Iterator[str]:
    at = 0
    while at + _METADATA.size <= len(data):
        length, _, _, header, mask, descriptor, pid = _METADATA.unpack_from(data, at)
        if descriptor >= 0:
            os.close(descriptor)
        info, end = at + header, at + length
        while info + _INFO.size <= end:
            kind, _, size = _INFO.unpack_from(data, info)
            if kind in _NAMED:
                handle_bytes, _ = _BEFORE_NAME.unpack_from(data, info)
                name = data[info + _BEFORE_NAME.size + handle_bytes : info + size].split(b"\0")[0]
                yield f"{_kinds(mask)} {os.fsdecode(name)} by process {pid}"
            info += max(size, _INFO.size)
        at = max(end, at + _METADATA.size)


def _inotify(data: bytes) -> Iterator[str]:
    at = 0
    while at + _INOTIFY.size <= len(data):
        _, mask, _, length = _INOTIFY.unpack_from(data, at)
        name = data[at + _INOTIFY.size : at + _INOTIFY.size + length].rstrip(b"\0")
        if mask & _MASK:
            yield f"{_kinds(mask)} {os.fsdecode(name)}"
        at += _INOTIFY.size + length


def _kinds(mask: int) -> str:
    return "+".join(kind for bit, kind in _KINDS.items() if mask & bit)

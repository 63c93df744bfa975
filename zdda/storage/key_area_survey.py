"""Looks at a key area in a folder as it lies there, believing nothing; reads only. For ``fsck``."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zdda.storage.blob_store import StoreFailed
from zdda.storage.slots import COPY, HEADER, SLOTS, decode_copy, segment_header, slot_offset

_COPIES = "AB"
_BLANK = bytes(COPY)


@dataclass(frozen=True, slots=True)
class SlotSurvey:
    """A slot that is not blank. ``body`` is its content, empty where it was erased or no copy is valid;
    ``damaged`` names the copies (``A``, ``B``) that are neither valid nor blank."""

    segment: str
    slot: int
    body: bytes
    damaged: str

    @property
    def where(self) -> str:
        """``segment-000000.slots[17]``, and the copies at fault."""
        return f"{self.segment}[{self.slot}]{self.damaged}"


@dataclass(frozen=True, slots=True)
class SegmentProblem:
    """A file of the key area that is no whole segment, or cannot be read."""

    segment: str
    why: str


class KeyAreaSurvey:
    """One folder of segments, kept from the archive while it is looked at."""

    def __init__(self, folder: Path, name: str | None = None) -> None:
        """Raises ``StoreFailed`` where another process has opened it. A folder that is not there is surveyed as
        empty: what is missing in it is named by the other places."""
        self._folder, self.name = folder, name or folder.name
        self._guard: int | None = None
        if not folder.is_dir():
            return
        self._guard = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise StoreFailed("another process has opened this key area") from error

    def close(self) -> None:
        if self._guard is not None:
            os.close(self._guard)
            self._guard = None

    def slots(self) -> Iterator[SlotSurvey | SegmentProblem]:
        """Every slot that is not blank, by segment and number; slots that can be read of a segment that is not whole
        are given too."""
        if self._guard is None:
            yield SegmentProblem(".", "the folder is not there")
            return
        for path in sorted(self._folder.glob("segment-*.slots")):
            try:
                yield from _segment(path)
            except OSError as error:
                yield SegmentProblem(path.name, f"cannot be read: {error.strerror or type(error).__name__}")


def _segment(path: Path) -> Iterator[SlotSurvey | SegmentProblem]:
    with path.open("rb", buffering=0) as file:
        descriptor = file.fileno()
        if os.fstat(descriptor).st_size != HEADER + 2 * SLOTS * COPY:
            yield SegmentProblem(path.name, "does not have the length of a segment")
        if os.pread(descriptor, HEADER, 0) != segment_header():
            yield SegmentProblem(path.name, "does not begin as a segment")
        regions = [os.pread(descriptor, SLOTS * COPY, slot_offset(0, copy)) for copy in (0, 1)]
        for slot in range(SLOTS):
            copies = [region[slot * COPY : (slot + 1) * COPY] for region in regions]
            if all(_is_blank(data) for data in copies):
                continue
            decoded = [decode_copy(data) for data in copies]
            damaged = "".join(
                letter
                for letter, data, item in zip(_COPIES, copies, decoded, strict=True)
                if item is None and not _is_blank(data)
            )
            _, body = max((item for item in decoded if item is not None), default=(0, b""))
            yield SlotSurvey(path.name, slot, body, damaged)


def _is_blank(data: bytes) -> bool:
    return data == _BLANK[: len(data)]

"""A key area in a bucket without versioning and lock: new records as objects of their own, packed by the thousand.

``records/<tenant>/<package>/<kind>/<sequence>`` holds one record, ``segments/<10 digits>`` up to 1,000; both have the
form of ``key_segment``. A record of its own supersedes the one of the same name in a segment.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from zdda.model.clock import Entropy
from zdda.model.errors import NotFound, Unavailable
from zdda.model.identifiers import TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.blob_store import CrashPoint, StoreFailed, no_crash
from zdda.storage.key_area import newest_of, sort_key
from zdda.storage.key_segment import LARGEST, MOST, body_of, decode_segment, encode_segment, line_of
from zdda.storage.object_record import ObjectRecord, RecordMalformed
from zdda.storage.s3_client import S3Address
from zdda.storage.s3_key_names import RECORDS, SEGMENTS, is_segment, key_of, name_of, segment_key
from zdda.storage.s3_plain_bucket import Opening, PlainBucket

CRASH_POINTS = ("key-area.before-write", "key-area.written", "key-area.packed")
_READERS = 8
_KEPT = 4
"""Segments in memory while all records are read: they come in the order of names, which is nearly that of time."""


@dataclass(frozen=True, slots=True)
class _Home:
    """Where in a segment a record lies. ``writing`` tells one content of the segment from those before it."""

    segment: str
    offset: int
    length: int
    writing: int = 0


class S3KeyArea:
    """See ``KeyArea``. The last process to open the bucket has it (``Opening``).

    A write is one PUT. Once ``pack_at`` records lie on their own, one writer packs them: it writes the segment, reads
    it back, and only then deletes the single records; if everything stops in between, both hold the same. A record
    that a segment holds already goes into that one again, so no name is in two. Destroying rewrites the segment
    without the record, reads it back, deletes the record of its own and asks for it.

    An error of the store stops one call. What became of a write whose answer did not come is not known: the old
    record or the new one is there. ``damaged`` tells, after opening, how much of the bucket could not be read as
    records, ``lost`` how much of it is of no use before ``reclaim``.
    """

    def __init__(
        self, address: S3Address, entropy: Entropy, *, pack_at: int = MOST, crash: CrashPoint = no_crash
    ) -> None:
        """Raises ``NotErasable`` for a bucket that keeps what is deleted, and the archive's errors of a store."""
        self._bucket, self._crash = PlainBucket(address), crash
        self._pack_at = self._next_pack = min(pack_at, MOST)
        self._lock = threading.Lock()
        self._released = threading.Condition(self._lock)
        self._rewriting = threading.Lock()
        self._busy: set[ObjectName] = set()
        self._packing = self._failed = False
        self._single: dict[ObjectName, bytes | None] = {}
        """Records that may lie on their own; None: what the bucket holds, if anything, is to be asked."""
        self._homes: dict[ObjectName, _Home] = {}
        self._twice: dict[ObjectName, list[str]] = {}
        self._unsettled: set[str] = set()
        self._lost: dict[str, int] = {}
        self._writings = 0
        self.damaged = 0
        try:
            self._bucket.check()
            self._opening = Opening(self._bucket, entropy)
            self._load()
        except BaseException:
            self._bucket.close()
            raise

    def close(self) -> None:
        """Ends the connections."""
        self._bucket.close()

    def write(self, record: ObjectRecord) -> None:
        body = record.encode()
        self._crash("key-area.before-write")
        with self._alone([record.name]):
            self._check_opening(now=False)
            with self._lock:
                self._single[record.name] = None  # whatever becomes of the request
            self._bucket.put(key_of(record.name), encode_segment([line_of(body)]))
            with self._lock:
                self._single[record.name] = body
        self._crash("key-area.written")
        self._pack_if_due()

    def read(self, name: ObjectName) -> ObjectRecord:
        if self._place(name) == (False, None):
            raise NotFound("the key area has no such record")
        try:
            return self._read(name)
        except (NotFound, RecordMalformed):
            with self._rewriting:  # packed or rewritten just now, or else it is so
                self._settle()
                return self._read(name)

    def records(self) -> Iterator[ObjectRecord]:
        with self._lock:
            names = sorted(self._single.keys() | self._homes.keys(), key=sort_key)
        segments: dict[str, tuple[int, bytes]] = {}
        for name in names:
            record = self._listed(name, segments)
            if record is not None:
                yield record

    def newest(self, kind: ObjectKind, tenant: TenantId, limit: int) -> list[ObjectName]:
        with self._lock:
            return newest_of(self._single.keys() | self._homes.keys(), kind, tenant, limit)

    def destroy(self, name: ObjectName) -> None:
        with self._alone([name]):
            self._check_opening(now=True)
            with self._rewriting:
                self._settle()
                home = self._homes.get(name)
                for segment in {*self._twice.get(name, ()), *([home.segment] if home else ())}:
                    self._rewrite(segment, {name: None})
            self._bucket.delete_and_look(key_of(name))
            with self._lock:
                self._single.pop(name, None)
                self._twice.pop(name, None)

    @property
    def lost(self) -> int:
        """How many lines tell of no record, or of one that lies in another segment; a segment that is none counts as
        one."""
        return sum(self._lost.values()) + sum(map(len, self._twice.values()))

    def reclaim(self) -> None:
        """Removes those lines as ``destroy`` does. For a caller who knows that this place has every record it has to
        have: what lies there may be the rest of one. Raises ``StoreFailed`` and the archive's errors of a store."""
        self._check_opening(now=True)
        with self._rewriting:
            self._settle()
            for name, segments in list(self._twice.items()):
                for segment in segments:
                    self._rewrite(segment, {name: None})
                del self._twice[name]
            for segment in [segment for segment, lost in self._lost.items() if lost]:
                try:
                    self._rewrite(segment, {}, keep=False)
                except RecordMalformed:
                    self._bucket.delete_and_look(segment)
                    del self._lost[segment]

    def _load(self) -> None:
        names = [name_of(key) for key in self._bucket.keys(RECORDS)]  # first: packing moves records the other way
        self.damaged += names.count(None)
        self._single = {name: None for name in names if name is not None}
        segments = list(self._bucket.keys(SEGMENTS))
        self.damaged += sum(not is_segment(key) for key in segments)
        whole = [key for key in segments if is_segment(key)]
        with ThreadPoolExecutor(_READERS) as readers:
            for segment, found in zip(whole, readers.map(self._survey, whole), strict=True):
                self._index(segment, *found)
                self.damaged += self._lost[segment]

    def _survey(self, segment: str, writing: int = 0) -> tuple[dict[ObjectName, _Home], int]:
        """The records of a segment, and how much of it is damaged."""
        lines, problem = decode_segment(self._bucket.get(segment, LARGEST) or encode_segment([]))
        found = {_name_in(line.body): _Home(segment, line.offset, len(line.raw), writing) for line in lines}
        sound = {name: home for name, home in found.items() if name is not None}
        return sound, len(lines) - len(sound) + (problem is not None)

    def _index(self, segment: str, found: dict[ObjectName, _Home], lost: int) -> None:
        """For the holder of ``_lock``, or before anybody else is there."""
        self._lost[segment] = lost
        for name, home in found.items():
            if name in self._homes:  # two processes have packed at once: both lines go when the record goes
                self.damaged += 1
                self._twice.setdefault(name, []).append(home.segment)
            else:
                self._homes[name] = home

    def _settle(self) -> None:
        """Learns what became of segments whose rewriting was not answered. For the holder of ``_rewriting`` only."""
        for segment in list(self._unsettled):
            self._writings += 1
            found, lost = self._survey(segment, self._writings)
            with self._lock:
                for name in [name for name, home in self._homes.items() if home.segment == segment]:
                    del self._homes[name]
                self._index(segment, found, lost)
            self._unsettled.discard(segment)

    def _listed(self, name: ObjectName, segments: dict[str, tuple[int, bytes]]) -> ObjectRecord | None:
        """``read`` from whole segments, of which the last few are kept; None for what was destroyed or damaged."""
        single, home = self._place(name)
        if home is not None and not single:
            if segments.get(home.segment, (None, b""))[0] != home.writing:
                segments.pop(home.segment, None)
                segments[home.segment] = (home.writing, self._bucket.get(home.segment, LARGEST) or b"")
                while len(segments) > _KEPT:
                    del segments[next(iter(segments))]
            line = segments[home.segment][1][home.offset : home.offset + home.length]
            if _name_in(body := body_of(line)) == name and body is not None:
                return ObjectRecord.decode(body)
        try:
            return self.read(name)
        except (NotFound, RecordMalformed):
            return None

    def _place(self, name: ObjectName) -> tuple[bool, _Home | None]:
        with self._lock:
            return name in self._single, self._homes.get(name)

    def _read(self, name: ObjectName) -> ObjectRecord:
        record = ObjectRecord.decode(self._body(name, *self._place(name)))
        if record.name != name:
            raise RecordMalformed("another object's record lies in the place")
        return record

    def _body(self, name: ObjectName, single: bool, home: _Home | None) -> bytes:
        raw = self._alone_in_bucket(name) if single else None
        if raw is None:
            if home is None:
                raise NotFound("the key area has no such record")
            found = self._bucket.part(home.segment, home.offset, home.length)
            raw = found[0] if found else b""
        body = body_of(raw)
        if body is None:
            raise RecordMalformed("a record in the key area is damaged")
        return body

    def _alone_in_bucket(self, name: ObjectName) -> bytes | None:
        """The line of the record that lies on its own; None where there is none."""
        data = self._bucket.get(key_of(name), LARGEST)
        if data is None:
            return None
        lines, problem = decode_segment(data)
        return lines[0].raw if problem is None and len(lines) == 1 else b""

    def _pack_if_due(self) -> None:
        with self._lock:
            if self._packing or len(self._single) < self._next_pack:
                return
            self._packing = True
            names = [name for name in self._single if name not in self._busy][: self._pack_at]
        try:
            with self._alone(names):
                self._pack(names)
        except (Unavailable, RecordMalformed):
            pass  # the record that was written is safe; the next to pack tries again, the next write tells of a failure
        finally:
            self._next_pack = max(self._pack_at, len(self._single) + self._pack_at // 10 + 1)
            self._packing = False

    def _pack(self, names: list[ObjectName]) -> None:
        self._check_opening(now=True)
        with self._rewriting:
            self._settle()
            changes: dict[str, dict[ObjectName, bytes | None]] = {}
            new = self._next_segment()
            for name in names:
                body = self._single_body(name)
                if body is not None:
                    home = self._homes.get(name)
                    changes.setdefault(home.segment if home else new, {})[name] = body
            for segment, bodies in changes.items():
                self._rewrite(segment, bodies)
        self._crash("key-area.packed")
        packed = [name for bodies in changes.values() for name in bodies]
        self._bucket.delete([key_of(name) for name in packed])
        with self._lock:
            for name in packed:
                del self._single[name]

    def _single_body(self, name: ObjectName) -> bytes | None:
        """None for what is not there any more, or is damaged: that stays where it is, for ``fsck`` to find."""
        body = self._single.get(name)
        if body is None and name in self._single:
            body = body_of(self._alone_in_bucket(name) or b"")
        return body if _name_in(body) == name else None

    def _next_segment(self) -> str:
        taken = [int(key.removeprefix(SEGMENTS)) for key in self._bucket.keys(SEGMENTS) if is_segment(key)]
        return segment_key(max(taken, default=0) + 1)

    def _rewrite(self, segment: str, changes: dict[ObjectName, bytes | None], *, keep: bool = True) -> None:
        """Puts records into a segment, or takes them out (None). Damaged lines stay as they are, unless they are not
        to be kept. For the holder of ``_rewriting`` only."""
        lines, problem = decode_segment(self._bucket.get(segment, LARGEST) or encode_segment([]))
        if problem == "does not begin as a segment":
            raise RecordMalformed(f"a segment {problem}")
        raws: list[tuple[ObjectName | None, bytes]] = []
        left = dict(changes)
        for line in lines:
            name = _name_in(line.body)
            if name is None or name not in changes:
                if keep or (name is not None and name not in dict(raws)):
                    raws.append((name, line.raw))
            elif (body := left.pop(name, None)) is not None:
                raws.append((name, line_of(body)))
        raws += [(name, line_of(body)) for name, body in left.items() if body is not None]
        self._unsettled.add(segment)
        if raws:
            data = encode_segment(raw for _, raw in raws)
            self._bucket.put_and_compare(segment, data, LARGEST)
        else:
            self._bucket.delete_and_look(segment)
        self._move(segment, raws, changes)
        self._unsettled.discard(segment)

    def _move(
        self, segment: str, raws: list[tuple[ObjectName | None, bytes]], changes: dict[ObjectName, bytes | None]
    ) -> None:
        offset = len(encode_segment(raw for _, raw in raws)) - sum(len(raw) for _, raw in raws)
        self._writings += 1
        with self._lock:
            for name in changes:
                if (home := self._homes.get(name)) is not None and home.segment == segment:
                    del self._homes[name]
            for held, raw in raws:
                if held is not None and self._homes.get(held, _Home(segment, 0, 0)).segment == segment:
                    self._homes[held] = _Home(segment, offset, len(raw), self._writings)
                offset += len(raw)
            self._lost[segment] = len(raws) - len({held for held, _ in raws if held is not None})

    def _check_opening(self, *, now: bool) -> None:
        try:
            self._opening.check(now=now)
        except StoreFailed:
            self._failed = True
            raise

    @contextmanager
    def _alone(self, names: Iterable[ObjectName]) -> Iterator[None]:
        """Who waits has nothing that another waits for."""
        wanted = set(names)
        with self._released:
            while not self._busy.isdisjoint(wanted):
                self._released.wait()
            if self._failed:
                raise StoreFailed("the key area takes no writes since another process opened it")
            self._busy |= wanted
        try:
            yield
        finally:
            with self._released:
                self._busy -= wanted
                self._released.notify_all()


def _name_in(body: bytes | None) -> ObjectName | None:
    try:
        return None if body is None else ObjectRecord.decode(body).name
    except RecordMalformed:
        return None

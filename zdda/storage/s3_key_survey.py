"""Looks at a key area in a bucket as it lies there, believing nothing; writes nothing, claims nothing. For ``fsck``."""

from __future__ import annotations

from collections.abc import Iterator

from zdda.model.objects import ObjectName
from zdda.storage.key_area_survey import SegmentProblem, SlotSurvey
from zdda.storage.key_segment import LARGEST, Line, decode_segment
from zdda.storage.object_record import ObjectRecord, RecordMalformed
from zdda.storage.s3_client import S3Address
from zdda.storage.s3_key_names import RECORDS, is_segment, name_of
from zdda.storage.s3_plain_bucket import OPENER, PlainBucket
from zdda.storage.store_marker import NAME


class S3KeyAreaSurvey:
    """One bucket. Records that lie on their own come first; what a segment still holds of the same name is superseded
    and left out. Raises the archive's errors of a store."""

    def __init__(self, address: S3Address, name: str) -> None:
        self._bucket, self.name = PlainBucket(address), name

    def close(self) -> None:
        self._bucket.close()

    def slots(self) -> Iterator[SlotSurvey | SegmentProblem]:
        """Every record, sound or damaged, and every object that is none of the archive's."""
        superseded: set[ObjectName] = set()
        for key in self._bucket.keys(RECORDS):
            name = name_of(key)
            if name is None:
                yield SegmentProblem(key, "is not what the archive puts there")
                continue
            for found in self._object(key):
                if isinstance(found, SlotSurvey) and found.body:
                    if _name_in(found.body) == name:
                        superseded.add(name)
                    else:
                        yield SegmentProblem(key, "does not hold the record of its name")
                yield found
        for key in self._bucket.keys(""):
            if key.startswith(RECORDS) or key in (NAME, OPENER):
                continue
            if not is_segment(key):
                yield SegmentProblem(key, "is not what the archive puts there")
                continue
            for found in self._object(key):
                if isinstance(found, SegmentProblem) or _name_in(found.body) not in superseded:
                    yield found

    def _object(self, key: str) -> Iterator[SlotSurvey | SegmentProblem]:
        data = self._bucket.get(key, LARGEST)
        if data is None:  # packed or emptied since it was listed
            return
        lines, problem = decode_segment(data)
        if problem is not None:
            yield SegmentProblem(key, problem)
        for slot, line in enumerate(lines):
            yield _slot(key, slot, line)


def _slot(key: str, slot: int, line: Line) -> SlotSurvey:
    return SlotSurvey(key, slot, line.body or b"", "" if line.body else "A")


def _name_in(body: bytes) -> ObjectName | None:
    try:
        return ObjectRecord.decode(body).name if body else None
    except RecordMalformed:
        return None

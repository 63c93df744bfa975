"""What a copy and its records are worth, and how they are made whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from zdda.crypto.digests import digests_of
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.model.clock import FixedClock, system_entropy
from zdda.model.errors import Unavailable
from zdda.model.identifiers import ContentAddress, tenant_id
from zdda.model.objects import ObjectKind, ObjectName
from zdda.retention.copy_check import CheckedCopy, Defect, check_copy, check_records
from zdda.retention.mending import NoGoodCopy, mend_copy, mend_records
from zdda.retention.read_budget import ReadBudget
from zdda.storage.memory_blobs import MemoryBlobs
from zdda.storage.memory_key_area import MemoryKeyArea
from zdda.storage.object_record import ObjectRecord, seal_record

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNTIL = datetime(2032, 1, 1, tzinfo=UTC)
TENANT = tenant_id("nemocnice")
NAME = ObjectName(TENANT, UUID(int=1), ObjectKind.AIP)
DATA = b"sealed and encrypted " * 1000


@pytest.fixture
def generations(tmp_path: Path) -> GenerationKeys:
    wrapper = LocalKeyWrapper(bytes(32), system_entropy)
    keys = GenerationKeys(tmp_path / "g.json", wrapper, system_entropy, FixedClock(NOW))
    keys.create(TENANT)
    return keys


@pytest.fixture
def record(generations: GenerationKeys) -> ObjectRecord:
    found = digests_of(DATA)
    return seal_record(generations, NAME, ContentAddress(found.sha256), len(DATA), found.sha512, bytes(32), UNTIL)


def holding(record: ObjectRecord, data: bytes = DATA, until: datetime = UNTIL) -> MemoryBlobs:
    blobs = MemoryBlobs()
    blobs._blobs[record.address] = (data, until)
    return blobs


DEFECTS = {
    Defect.OTHER_BYTES: (b"\0" + DATA[1:], UNTIL),
    Defect.OTHER_LENGTH: (DATA[:-1], UNTIL),
    Defect.LOCK_TOO_SHORT: (DATA, UNTIL - timedelta(days=1)),
}


def test_a_whole_copy_has_no_defect(record: ObjectRecord) -> None:
    assert check_copy(holding(record), record) == CheckedCopy(len(DATA))
    assert check_copy(holding(record, until=UNTIL + timedelta(days=9)), record).defect is None


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_named_and_mended(defect: Defect, record: ObjectRecord) -> None:
    blobs = holding(record, *DEFECTS[defect])
    assert check_copy(blobs, record).defect is defect
    mend_copy(blobs, [MemoryBlobs(), holding(record, b"\0" + DATA[1:]), holding(record)], record, defect)
    assert check_copy(blobs, record).defect is None


def test_what_is_gone_is_written_again(record: ObjectRecord) -> None:
    blobs = MemoryBlobs()
    assert check_copy(blobs, record).defect is Defect.MISSING
    mend_copy(blobs, [holding(record)], record, Defect.MISSING)
    assert check_copy(blobs, record).defect is None


def test_without_a_good_copy_nothing_is_changed(record: ObjectRecord) -> None:
    bad = b"\0" + DATA[1:]
    blobs = holding(record, bad)
    with pytest.raises(NoGoodCopy):
        mend_copy(blobs, [holding(record, DATA[:-1]), MemoryBlobs()], record, Defect.OTHER_BYTES)
    assert blobs._blobs[record.address][0] == bad


class Away(MemoryBlobs):
    def stat(self, address: ContentAddress) -> None:  # type: ignore[override]
        raise Unavailable("away")


def test_a_site_that_is_away_says_nothing_of_its_copies(record: ObjectRecord) -> None:
    with pytest.raises(Unavailable):
        check_copy(Away(), record)
    with pytest.raises(Unavailable):
        mend_copy(holding(record, b""), [Away(), MemoryBlobs()], record, Defect.OTHER_LENGTH)


def test_a_store_that_cannot_lock_for_so_long_is_not_blamed(record: ObjectRecord) -> None:
    blobs = holding(record, until=UNTIL - timedelta(days=700))
    blobs.latest_lock = UNTIL - timedelta(days=700)
    assert check_copy(blobs, record).defect is None


def test_places_get_the_record_of_latest_retention(record: ObjectRecord, generations: GenerationKeys) -> None:
    longer = record.prolonged(generations, UNTIL + timedelta(days=365))
    forged = replace(longer, retain_until=UNTIL + timedelta(days=9999))
    places = {name: MemoryKeyArea() for name in ("old", "new", "forged", "empty")}
    places["old"].write(record)
    places["new"].write(longer)
    places["forged"].write(forged)
    checked = check_records(places, NAME, generations)
    assert checked.best == longer
    assert checked.wanting == {"old": "record-older", "forged": "record-malformed", "empty": "record-missing"}
    mend_records(places, checked)
    again = check_records(places, NAME, generations)
    assert (again.best, again.wanting) == (longer, {})


def test_no_record_is_made_up(record: ObjectRecord, generations: GenerationKeys) -> None:
    places = {"one": MemoryKeyArea(), "two": MemoryKeyArea()}
    places["one"].write(replace(record, wrapped_data_key=bytes(len(record.wrapped_data_key))))
    checked = check_records(places, NAME, generations)
    assert (checked.best, set(checked.wanting)) == (None, {"one", "two"})
    with pytest.raises(NoGoodCopy):
        mend_records(places, checked)


def test_a_budget_is_kept_on_average() -> None:
    budget, now, read = ReadBudget(1000), NOW, 0
    for _ in range(600):
        if budget.allows(now):
            budget.spend(now, 700)
            read += 700
        now += timedelta(seconds=0.1)
    assert 60_000 - 700 <= read <= 62_000 + 700


def test_a_large_object_is_paid_for_afterwards() -> None:
    budget = ReadBudget(1000)
    budget.spend(NOW, 100_000)
    assert not budget.allows(NOW + timedelta(seconds=97))
    assert budget.allows(NOW + timedelta(seconds=98))

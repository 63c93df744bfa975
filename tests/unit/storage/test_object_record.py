from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.model.clock import FixedClock, system_entropy
from zdda.model.errors import IntegrityError
from zdda.model.identifiers import ContentAddress, tenant_id
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.object_record import ObjectRecord, RecordMalformed, seal_record

GOLDEN = Path(__file__).parents[2] / "golden"
CLOCK = FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
UNTIL = datetime(2032, 1, 1, tzinfo=UTC)
TENANT = tenant_id("nemocnice")
NAME = ObjectName(TENANT, UUID("01a20cf0-c6b7-72a6-8b1f-2aaf85bcfebf"), ObjectKind.AIP)
KEY = b"d" * 32


@pytest.fixture
def generations(tmp_path: Path) -> GenerationKeys:
    """The golden generations: records sealed under them are the same bytes in every run."""
    (tmp_path / "generations.json").write_bytes((GOLDEN / "crypto" / "generations-1.json").read_bytes())
    wrapper = LocalKeyWrapper(bytes(range(32)), system_entropy)
    return GenerationKeys(tmp_path / "generations.json", wrapper, system_entropy, CLOCK)


@pytest.fixture
def record(generations: GenerationKeys) -> ObjectRecord:
    return seal_record(generations, NAME, ContentAddress(b"a" * 32), 12345, b"s" * 64, KEY, UNTIL)


def test_a_record_gives_back_its_key(record: ObjectRecord, generations: GenerationKeys) -> None:
    again = ObjectRecord.decode(record.encode())
    assert again == record
    assert again.data_key(generations) == KEY
    again.check_retention(generations)


@pytest.mark.parametrize(
    "change",
    [
        {"name": replace(NAME, sequence=1)},
        {"name": replace(NAME, kind=ObjectKind.AMENDMENT)},
        {"name": replace(NAME, tenant=tenant_id("jina"))},
        {"address": ContentAddress(b"b" * 32)},
        {"length": 12346},
        {"sha512": b"t" * 64},
        {"wrapped_data_key": bytes(49)},
    ],
)
def test_the_key_is_bound_to_every_member(
    change: dict[str, object], record: ObjectRecord, generations: GenerationKeys
) -> None:
    generations.create(tenant_id("jina"))
    with pytest.raises(IntegrityError):
        replace(record, **change).data_key(generations)  # type: ignore[arg-type]


def test_a_changed_retention_is_noticed(record: ObjectRecord, generations: GenerationKeys) -> None:
    with pytest.raises(RecordMalformed):
        replace(record, retain_until=UNTIL - timedelta(days=1)).check_retention(generations)


def test_a_retention_is_prolonged_without_the_key(record: ObjectRecord, generations: GenerationKeys) -> None:
    later = record.prolonged(generations, UNTIL + timedelta(days=366))
    later.check_retention(generations)
    assert later.data_key(generations) == KEY
    with pytest.raises(ValueError, match="shortened"):
        record.prolonged(generations, UNTIL - timedelta(days=1))


@given(st.data())
def test_other_bytes_are_refused_or_another_record(data: st.DataObject) -> None:
    golden = bytearray((GOLDEN / "storage" / "object-record-1.json").read_bytes())
    place = data.draw(st.integers(0, len(golden) - 1))
    golden[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        assert ObjectRecord.decode(bytes(golden)).encode() == bytes(golden)
    except RecordMalformed:
        return


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b"x" * 5000])
def test_rubbish_is_refused(data: bytes) -> None:
    with pytest.raises(RecordMalformed):
        ObjectRecord.decode(data)


def test_the_stored_form_never_changes(record: ObjectRecord, generations: GenerationKeys) -> None:
    golden = (GOLDEN / "storage" / "object-record-1.json").read_bytes()
    assert record.encode() == golden
    assert ObjectRecord.decode(golden).data_key(generations) == KEY

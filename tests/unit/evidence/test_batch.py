from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zdda.evidence import batch as batch_module
from zdda.evidence.batch import BatchMalformed, EvidenceBatch
from zdda.evidence.hash_tree import group_digest, root_of
from zdda.model.canonical_json import canonical_json, parse_json

GOLDEN = Path(__file__).parents[2] / "golden" / "evidence"
LEAVES = tuple(hashlib.sha256(bytes([n])).digest() for n in range(3))
BATCH = EvidenceBatch(
    UUID("01a20cf0-c6b7-72a6-8b1f-2aaf85bcfebf"),
    "nemocnice",
    datetime(2026, 11, 22, 12, tzinfo=UTC),
    LEAVES,
    (GOLDEN / "token-1.der").read_bytes(),
)


def test_the_stored_form_never_changes() -> None:
    assert BATCH.encode() == (GOLDEN / "evidence-batch-1.json").read_bytes()


def test_what_was_written_is_read() -> None:
    assert EvidenceBatch.decode(BATCH.encode()) == BATCH


@given(st.data())
def test_any_other_bytes_are_refused_or_mean_something_else(data: st.DataObject) -> None:
    encoded = bytearray(BATCH.encode())
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(BatchMalformed):
        assert EvidenceBatch.decode(bytes(encoded)) != BATCH


@pytest.mark.parametrize(
    "batch", [replace(BATCH, leaves=()), replace(BATCH, leaves=(b"short",))], ids=["no-leaves", "short-leaf"]
)
def test_a_batch_without_proper_leaves_is_refused(batch: EvidenceBatch) -> None:
    with pytest.raises(BatchMalformed):
        EvidenceBatch.decode(batch.encode())


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff"])
def test_rubbish_is_refused(data: bytes) -> None:
    with pytest.raises(BatchMalformed):
        EvidenceBatch.decode(data)


def test_a_package_finds_its_place() -> None:
    group = (LEAVES[1],)
    assert group_digest(group) == BATCH.leaves[1]
    assert root_of(group, BATCH.tree().reduced(1)) == BATCH.tree().root


def changed(**members: object) -> bytes:
    return canonical_json(parse_json(BATCH.encode()) | members)


@pytest.mark.parametrize(
    "data",
    [
        BATCH.encode() + b"\n",
        b" " + BATCH.encode(),
        changed(tenant=7),
        changed(tenant="Not A Tenant"),
        changed(batch=str(BATCH.batch_id).upper()),
        changed(batch="1"),
        changed(created="2026-11-22T12:00:00Z"),
        changed(created="2026-11-22T13:00:00.000+01:00"),
        changed(created="2026-11-22T12:00:00.000"),
        changed(leaves={leaf.hex(): 1 for leaf in LEAVES}),
        changed(leaves=LEAVES[0].hex()),
        changed(leaves=[leaf.hex().upper() for leaf in LEAVES]),
        changed(leaves=[LEAVES[0].hex(), 1]),
        changed(token=""),
        changed(token="AA=A"),
        changed(token="A A="),
        changed(digestAlgorithm="sha512"),
        changed(format="zdda-evidence-batch/2"),
        changed(added=1),
        b'{"format":"zdda-evidence-batch/1",' + BATCH.encode()[1:],
        b"[" * 100_000,
    ],
)
def test_only_the_one_form_is_read(data: bytes) -> None:
    with pytest.raises(BatchMalformed):
        EvidenceBatch.decode(data)


def test_more_leaves_than_a_batch_may_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "MAX_LEAVES", 2)
    with pytest.raises(BatchMalformed):
        EvidenceBatch.decode(BATCH.encode())


def test_more_bytes_than_a_batch_may_have_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "_MAX_BYTES", 100)
    with pytest.raises(BatchMalformed):
        EvidenceBatch.decode(BATCH.encode())

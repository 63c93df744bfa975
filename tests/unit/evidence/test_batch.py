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

from zdda.evidence.batch import BatchMalformed, EvidenceBatch
from zdda.evidence.hash_tree import group_digest, root_of

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

"""Packages validated again from their store, wherever it is; what comes back for keeping."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.simulator.archive import SimulatedArchive
from tests.simulator.examiners import PoolHere
from tests.unit.access.archived_documents import anchors, archive_in, documents
from tests.unit.validation.laboratory import NOW
from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.fsck.replay import CannotReplay, PackageReplay
from zdda.fsck.revalidation import Placed, Revalidated, Revalidation, copied
from zdda.jobs.worker_pool import WorkerFailed
from zdda.model.objects import ObjectKind
from zdda.packaging.aip_reader import open_aip
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.memory_blobs import MemoryBlobs
from zdda.trust.anchors import TrustAnchors
from zdda.validation import pinned_rules
from zdda.validation.constraints import Level
from zdda.validation.policy import ValidationPolicy


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedArchive]:
    opened = archive_in(tmp_path_factory.mktemp("revalidation") / "archive")
    opened.deposit(documents())
    opened.settle()
    yield opened
    opened.close()


def run(
    archive: SimulatedArchive,
    placed: Placed,
    trusted: TrustAnchors | None = None,
    pool: Any = None,
    at: datetime = NOW,
    policy: bytes | None = None,
) -> Revalidated:
    vault = archive.archive.vault
    (record,) = [each for each in vault.store.records() if each.name.kind is ObjectKind.AIP]
    workers: Any = pool or PoolHere()
    return Revalidation(
        workers, placed, vault.generations, anchors() if trusted is None else trusted, at, policy
    ).package(record)


def in_place(archive: SimulatedArchive) -> Placed:
    blobs = archive.archive.vault.blobs
    assert isinstance(blobs, FilesystemBlobs)
    return lambda address: nullcontext(blobs.path(address))


def test_reports_come_back_for_what_is_signed(archive: SimulatedArchive) -> None:
    found = run(archive, in_place(archive))
    assert found.found == ()
    assert found.renewed is not None
    assert [(each.number, each.verdict) for each in found.renewed.documents] == [
        (1, "TOTAL_PASSED"),
        (2, "TOTAL_PASSED"),
        (4, "TOTAL_PASSED"),
    ]


def test_what_no_anchor_vouches_for_flips(archive: SimulatedArchive) -> None:
    found = run(archive, in_place(archive), TrustAnchors(()))
    assert {each["after"][0] for each in found.found} == {"INDETERMINATE"}
    assert found.renewed is not None
    assert {each.verdict for each in found.renewed.documents} == {"INDETERMINATE"}


STRICT = b"""format = "zdda-validation-policy/1"
name = "strict"
[signature.signer]
key_usage = ["crl_sign"]
key_usage_level = "fail"
"""


@pytest.mark.parametrize("trusted", [None, TrustAnchors(())])
@pytest.mark.parametrize("at", [NOW, NOW + timedelta(days=3650)])
@pytest.mark.parametrize("policy", [None, STRICT])
def test_what_was_kept_can_be_repeated_too(
    archive: SimulatedArchive,
    trusted: TrustAnchors | None,
    at: datetime,
    policy: bytes | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the package and the amendment alone, by the rules of that day."""
    renewed = run(archive, in_place(archive), trusted, at=at, policy=policy).renewed
    assert renewed is not None
    other = replace(ValidationPolicy(), name="of another day", algorithms=Level.IGNORE)
    monkeypatch.setattr(pinned_rules, "_SHIPPED", (other, AlgorithmCatalogue(digests={}, keys={})))
    store = archive.archive.vault.store
    (record,) = [each for each in store.records() if each.name.kind is ObjectKind.AIP]
    with store.open(record.name) as stream:
        replays = PackageReplay(open_aip(stream), anchors() if trusted is None else trusted).renewed(renewed)
    assert [each.number for each in replays] == [each.number for each in renewed.documents]
    assert all(each.same_version and each.sealed == each.made for each in replays)


def test_reports_on_documents_that_the_package_does_not_have(archive: SimulatedArchive) -> None:
    renewed = run(archive, in_place(archive)).renewed
    assert renewed is not None
    store = archive.archive.vault.store
    (record,) = [each for each in store.records() if each.name.kind is ObjectKind.AIP]
    stranger = replace(renewed, documents=(replace(renewed.documents[0], number=6),))
    with store.open(record.name) as stream, pytest.raises(CannotReplay):
        PackageReplay(open_aip(stream), anchors()).renewed(stranger)


def test_a_store_without_paths_is_copied_and_nothing_is_left(archive: SimulatedArchive, tmp_path: Path) -> None:
    blobs = archive.archive.vault.blobs
    with patch.object(tempfile, "tempdir", str(tmp_path)):
        assert run(archive, partial(copied, [blobs])) == run(archive, in_place(archive))
        with copied([blobs], next(iter(blobs.addresses()))) as path:
            assert path.is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


class Broken:
    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def call(self, *_: Any) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    "answer",
    [[], {}, {"found": [], "renewed": {"documents": []}}, WorkerFailed("it was killed", reason="memory")],
)
def test_whatever_a_worker_does_is_told_of_the_package(archive: SimulatedArchive, answer: Any) -> None:
    found = run(archive, in_place(archive), pool=Broken(answer))
    assert [(each["document"], bool(each["error"])) for each in found.found] == [(None, True)]
    assert found.renewed is None


def test_an_object_that_is_gone_is_told(archive: SimulatedArchive) -> None:
    (lost,) = run(archive, partial(copied, [MemoryBlobs()])).found
    assert lost["error"].startswith("not-found")

"""Packages validated again from their store, wherever it is; what comes back for keeping."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.simulator.archive import SimulatedArchive
from tests.simulator.examiners import PoolHere
from tests.unit.access.archived_documents import anchors, archive_in, documents
from tests.unit.validation.laboratory import NOW
from zdda.fsck.revalidation import Placed, Revalidated, Revalidation, copied
from zdda.jobs.worker_pool import WorkerFailed
from zdda.model.objects import ObjectKind
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.memory_blobs import MemoryBlobs
from zdda.trust.anchors import TrustAnchors


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedArchive]:
    opened = archive_in(tmp_path_factory.mktemp("revalidation") / "archive")
    opened.deposit(documents())
    opened.settle()
    yield opened
    opened.close()


def run(
    archive: SimulatedArchive, placed: Placed, trusted: TrustAnchors | None = None, pool: Any = None
) -> Revalidated:
    vault = archive.archive.vault
    (record,) = [each for each in vault.store.records() if each.name.kind is ObjectKind.AIP]
    workers: Any = pool or PoolHere()
    return Revalidation(workers, placed, vault.generations, trusted or anchors(), NOW).package(record)


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


def test_a_store_without_paths_is_copied_and_nothing_is_left(archive: SimulatedArchive, tmp_path: Path) -> None:
    blobs = archive.archive.vault.blobs
    with patch.object(tempfile, "tempdir", str(tmp_path)):
        assert run(archive, partial(copied, blobs)) == run(archive, in_place(archive))
        with copied(blobs, next(iter(blobs.addresses()))) as path:
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
    (lost,) = run(archive, partial(copied, MemoryBlobs())).found
    assert lost["error"].startswith("not-found")

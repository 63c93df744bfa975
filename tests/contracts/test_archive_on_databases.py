"""The whole way of a deposit on SQLite and on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulator.archive import make_archive
from zdda.catalog.deposits import ExternalIdTaken
from zdda.ingest.reception import IdempotencyKeyReused
from zdda.model.deposit import DepositState


def test_deposits_are_archived_and_known_again(database_url: str, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", database_url=database_url)
    external = {"externalId": {"producer": "kis", "id": "1"}}
    first = archive.deposit([b"one", b"two"], external, key="a")
    second = archive.deposit([b"three"], {"retentionClass": "long"})
    archive.settle()
    for status in (first, second):
        found = archive.status(status)
        assert found.state is DepositState.ARCHIVED
        assert [state for state, _ in found.history] == ["received", "validated", "sealed", "stored", "archived"]
    assert archive.deposit([b"one", b"two"], external, key="a").deposit_id == first.deposit_id
    with pytest.raises(IdempotencyKeyReused):
        archive.deposit([b"other"], external, key="a")
    with pytest.raises(ExternalIdTaken):
        archive.deposit([b"other"], external)
    view = archive.archive.packages.describe(first.package_id, "auditor")
    assert [document.length for document in view.documents] == [3, 3]
    with archive.archive.packages.document(first.package_id, 2, "auditor").chunks as chunks:
        assert b"".join(chunks) == b"two"
    assert archive.archive.packages.validation_report(second.package_id, "auditor")[0]["verdict"] == "NO_SIGNATURE"
    archive.close()


def test_packages_that_go_years_apart_do_not_share_a_tree(database_url: str, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", database_url=database_url)
    short = archive.deposit([b"short"])
    long = archive.deposit([b"long"], {"retentionClass": "long"})
    archive.settle()
    records = [archive.archive.packages.evidence_record(each.package_id, "auditor") for each in (short, long)]
    assert records[0] != records[1]
    with archive.archive.database.read() as tx:
        from zdda.catalog.packages import get_package

        batches = {get_package(tx, each.package_id).batch_id for each in (short, long)}
    assert len(batches) == 2
    archive.close()

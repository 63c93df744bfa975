"""The catalog rebuilt from the stores alone is the one that was lost, row by row; what is not is listed here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.simulator.archive import ACCOUNT, SimulatedArchive, TickingClock, make_archive
from tests.simulator.examiners import NotAllAsked
from tests.simulator.pki import NOW, pki
from tests.simulator.postgresql import database_url
from zdda.access.packages import PackageAccess
from zdda.app_stopped import open_to_doubt
from zdda.catalog import tables
from zdda.catalog.deposits import ExternalIdTaken
from zdda.fsck.store_check import StoreCheck
from zdda.ingest.rebuild import CatalogNotEmpty, CatalogRebuild, RebuildReport
from zdda.ingest.reception import IdempotencyKeyReused
from zdda.ingest.reconcile import reconcile
from zdda.ingest.resumption import resume
from zdda.model.deposit import DepositState
from zdda.model.objects import ObjectKind
from zdda.model.views import DepositStatus
from zdda.settings import load

__all__ = ["database_url"]

WHOLE = (
    tables.packages,
    tables.package_documents,
    tables.subject_identifiers,
    tables.objects,
    tables.object_copies,
    tables.evidence_batches,
    tables.evidence_members,
    tables.amendments,
    tables.amendment_packages,
    tables.deposits,
    tables.deposit_documents,
    tables.deposit_history,
    tables.validation_objects,
    tables.validation_object_uses,
)
NOT_IN_THE_STORES = {
    # how far which worker had come: a matter of the running archive
    "lease_owner",
    "lease_epoch",
    "lease_until",
    "attempts",
    # names of spool files that are long gone
    "spool_file",
    "validation_data_file",
    "container_file",
    "batch_file",
    "amendment_file",
    # a request's correlation: for logs
    "correlation_id",
    # the data key wrapped for the time on the way; the object record has it
    "wrapped_data_key",
    # when a copy came to a site
    "since",
}
"""Every other column is the same to the byte."""

SUBJECTS = [
    {"type": "national-id", "value": "8001011234"},
    {"type": "patient-number", "value": "P-17"},
    {"type": "patient-number", "value": "P-17"},
]


def rows(archive: SimulatedArchive, skipped: set[str] = NOT_IN_THE_STORES) -> dict[str, list[dict[str, Any]]]:
    with archive.archive.database.read() as tx:
        return {
            table.name: sorted(
                (
                    {name: value for name, value in row._mapping.items() if name not in skipped}
                    for row in tx.execute(select(table))
                ),
                key=repr,
            )
            for table in WHOLE
        }


def filled(folder: Path) -> tuple[SimulatedArchive, list[DepositStatus]]:
    """Deposits of every shape, in several batches; the archive stays open."""
    archive = make_archive(folder, batch_size=3)
    metadata: list[tuple[list[bytes], dict[str, Any], str | None]] = [
        ([b"%PDF-1.7 one" * 9000, b"attached", b"also attached"], {"subjects": SUBJECTS}, "key-1"),
        ([b"two"], {"externalId": {"producer": "kis", "id": "Z-2"}, "originator": "MUDr. Ukázková"}, "key-2"),
        ([b"three"], {"created": "2026-05-04", "fields": {"ward": "A"}, "title": "Zpráva „tři“"}, None),
        ([b"four"], {"retentionClass": "long", "externalId": {"producer": "lis", "id": "Z-2"}}, None),
    ]
    deposits = []
    for number, (contents, changes, key) in enumerate(metadata):
        deposits.append(archive.deposit(contents, changes, key, [f"č. {n}.pdf" for n in range(len(contents))]))
        if number % 2:
            archive.settle()
    archive.settle()
    return archive, deposits


def lose_the_catalog(folder: Path) -> None:
    for path in folder.glob("catalog.db*"):
        path.unlink()


def rebuild(archive: SimulatedArchive) -> RebuildReport:
    """As an administrator does it: the spool is emptied, the catalog rebuilt, the archive started."""
    parts = archive.archive
    for name in parts.vault.spool.names():
        parts.vault.spool.remove(name)
    report = CatalogRebuild(parts.database, parts.vault.store, parts.vault.generations, TickingClock(NOW)).run()
    resume(parts.workshop, "")
    return report


def reopened(folder: Path) -> SimulatedArchive:
    return make_archive(folder, clock=TickingClock(NOW + timedelta(hours=1)), batch_size=3, resuming=False)


def test_every_row_comes_back(tmp_path: Path) -> None:
    archive, deposits = filled(tmp_path / "archive")
    before, statuses = rows(archive), [archive.status(each) for each in deposits]
    views = [archive.archive.packages.describe(each.package_id, ACCOUNT) for each in deposits]
    evidence = [archive.archive.packages.evidence_record(each.package_id, ACCOUNT) for each in deposits]
    archive.close()
    lose_the_catalog(archive.folder)
    archive = reopened(archive.folder)
    report = rebuild(archive)
    assert (report.packages, report.waiting, report.problems) == (4, 0, [])
    assert report.batches == report.amendments == 3
    assert report.objects == 10
    after = rows(archive)
    for table, expected in before.items():
        assert expected, table
        assert after[table] == expected, table
    assert [archive.status(each) for each in deposits] == statuses
    assert [archive.archive.packages.describe(each.package_id, ACCOUNT) for each in deposits] == views
    assert [archive.archive.packages.evidence_record(each.package_id, ACCOUNT) for each in deposits] == evidence
    archive.close()


@pytest.mark.parametrize("older", [False, True])
def test_the_flag_and_its_reason_come_back(tmp_path: Path, older: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that does not keep them is flagged by what it shows."""
    if older:
        monkeypatch.setattr("zdda.ingest.steps.IntakeFacts", lambda *_: None)
    archive = make_archive(tmp_path / "archive", examiner=NotAllAsked(3), batch_size=3)
    for content in (b"one", b"two"):
        archive.deposit([content])
    archive.settle()
    before = rows(archive)
    assert sorted(row["flagged"] for row in before["deposits"]) == [False, True]
    assert "revocation-data-not-asked" in {row["note"] for row in before["deposit_history"]}
    archive.close()
    lose_the_catalog(archive.folder)
    archive = reopened(archive.folder)
    assert rebuild(archive).problems == []
    after = rows(archive)
    assert (after == before) is not older
    assert any(row["flagged"] for row in after["deposits"]) is not older
    archive.close()


def test_every_row_comes_back_into_the_other_database(tmp_path: Path, database_url: str) -> None:
    """What one kind of database lost, another gets back."""
    archive, deposits = filled(tmp_path / "archive")
    before, statuses = rows(archive), [archive.status(each) for each in deposits]
    archive.close()
    file = archive.folder / "zdda.toml"
    file.write_text(file.read_text("utf-8").replace("sqlite:///catalog.db", database_url), "utf-8")
    archive = reopened(archive.folder)
    assert rebuild(archive).problems == []
    assert rows(archive) == before
    assert [archive.status(each) for each in deposits] == statuses
    archive.close()
    with open_to_doubt(load(file), archive.folder) as stores:
        lines = list(StoreCheck(stores, pki().anchors, NOW).lines())
    archive = reopened(archive.folder)
    parts = archive.archive
    assert list(reconcile(parts.database, parts.vault.generations, "simulated", lines)) == []
    archive.close()


def test_every_column_is_compared_or_excused() -> None:
    columns = {column.name for table in WHOLE for column in table.columns}
    assert columns >= NOT_IN_THE_STORES
    assert {table.name for table in tables.metadata.tables.values() if "tenant_id" in table.columns} - {
        table.name for table in WHOLE
    } <= {
        "accounts",
        "audit_log",
        "audit_outbox",
        "installations",
        "destroyed_packages",  # compared in tests/unit/retention/test_after_disposal.py
        "disposals",  # the journal: what comes of it is in the receipts
        "disposal_objects",
        "disposal_copies",
        "store_moves",  # orders, which are given again
    }


def test_names_once_used_stay_used(tmp_path: Path) -> None:
    archive, deposits = filled(tmp_path / "archive")
    archive.close()
    lose_the_catalog(archive.folder)
    archive = reopened(archive.folder)
    rebuild(archive)
    metadata = {"externalId": {"producer": "kis", "id": "Z-2"}, "originator": "MUDr. Ukázková"}
    again = archive.deposit([b"two"], metadata, "key-2", ["č. 0.pdf"])
    assert (again.deposit_id, again.created) == (deposits[1].deposit_id, False)
    assert again.receipt is not None
    with pytest.raises(IdempotencyKeyReused):
        archive.deposit([b"other"], {}, "key-2")
    with pytest.raises(ExternalIdTaken):
        archive.deposit([b"other"], metadata)
    archive.close()


def test_a_catalog_is_never_overwritten(tmp_path: Path) -> None:
    archive, _ = filled(tmp_path / "archive")
    before = rows(archive, set())
    with pytest.raises(CatalogNotEmpty):
        rebuild(archive)
    assert rows(archive, set()) == before
    archive.close()


def test_a_rebuilt_archive_goes_on(tmp_path: Path) -> None:
    """Amendments that wait for a batch get into the next one; a second rebuild finds that as well."""
    archive, _ = filled(tmp_path / "archive")
    archive.close()
    for number in range(2):
        lose_the_catalog(archive.folder)
        archive = reopened(archive.folder)
        assert rebuild(archive).problems == []
        more = archive.deposit([b"more %d" % number])
        archive.settle()
        assert archive.status(more).state is DepositState.ARCHIVED
        before = rows(archive)
        members = [row for row in before["evidence_members"] if row["kind"] == "amendment"]
        assert len(members) == 2 + number  # the one that is kept for long waits for its like
        archive.close()
    lose_the_catalog(archive.folder)
    archive = reopened(archive.folder)
    rebuild(archive)
    assert rows(archive) == before
    archive.close()


class Crash(BaseException):
    """Everything stops here."""


def dying_at(point: str) -> Callable[[str], None]:
    def crash(reached: str) -> None:
        if reached == point:
            raise Crash(point)

    return crash


@pytest.mark.parametrize(
    ("point", "waiting"),
    [
        ("stored.put", 1),
        ("stored.committed", 1),
        ("batch.closed", 1),
        ("batch.timestamped", 1),
        ("batch.object-stored", 1),
        ("batch.stored", 1),
        ("archived.amendment-durable", 1),
        ("archived.amendment-stored", 0),
        ("archived.before-commit", 0),
        ("archived.committed", 0),
    ],
)
def test_a_catalog_lost_in_the_middle(tmp_path: Path, point: str, waiting: int) -> None:
    """What lies in the store is archived after the rebuild, once, whatever was still to be done."""
    archive, _ = filled(tmp_path / "archive")
    archive.close()
    archive = make_archive(
        tmp_path / "archive", crash=dying_at(point), clock=TickingClock(NOW + timedelta(minutes=30)), batch_size=3
    )
    deposit = archive.deposit([b"on its way"], {"externalId": {"producer": "kis", "id": "Z-9"}}, "key-9")
    with pytest.raises(Crash):
        archive.settle()
    archive.close()
    lose_the_catalog(archive.folder)
    shutil.rmtree(archive.folder / "spool")
    archive = reopened(archive.folder)
    report = rebuild(archive)
    assert (report.waiting, report.packages, report.problems) == (waiting, 5 - waiting, [])
    archive.settle()
    status = archive.status(deposit)
    assert status.state is DepositState.ARCHIVED
    assert status.receipt is not None
    archive.archive.packages.evidence_record(deposit.package_id, ACCOUNT)
    assert len([row for row in rows(archive)["objects"] if row["kind"] == "evidence-batch"]) == 4
    assert archive.archive.vault.spool.names() == []
    archive.close()


def test_what_is_lost_is_told_and_the_rest_restored(tmp_path: Path) -> None:
    archive, deposits = filled(tmp_path / "archive")
    store = archive.archive.vault.store
    records = {record.name.package: record for record in store.records()}
    gone = records[deposits[0].package_id]
    batch = next(record for record in records.values() if record.name.kind is ObjectKind.EVIDENCE_BATCH)
    archive.close()
    for record in (gone, batch):
        digits = record.address.digest.hex()
        (archive.folder / "store" / "objects" / digits[:2] / digits[2:4] / digits).unlink()
    lose_the_catalog(archive.folder)
    archive = reopened(archive.folder)
    report = rebuild(archive)
    assert {problem.name for problem in report.problems} == {gone.name, batch.name}
    assert report.packages == 3
    assert archive.status(deposits[1]).receipt is not None
    access: PackageAccess = archive.archive.packages
    assert access.describe(deposits[1].package_id, ACCOUNT).metadata["title"]
    archive.close()


def test_a_rebuild_cut_short_leaves_an_empty_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, _ = filled(tmp_path / "archive")
    archive.close()
    lose_the_catalog(archive.folder)
    archive = reopened(archive.folder)

    def cut(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr("zdda.ingest.rebuild.write_batch", cut)
        with pytest.raises(Crash):
            rebuild(archive)
    assert not any(rows(archive).values())
    assert rebuild(archive).packages == 4
    archive.close()

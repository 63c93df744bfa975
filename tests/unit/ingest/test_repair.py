"""An old backup of the catalog, of the store or of the places of records put back: repaired, and level afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.simulator.archive import ACCOUNT, SimulatedArchive, TickingClock, make_archive
from tests.simulator.pki import NOW, pki
from tests.unit.ingest.test_rebuild import rows
from zdda.app_stopped import open_to_doubt, repair_archive
from zdda.audit.log import sequence
from zdda.audit.tables import audit_log
from zdda.catalog import tables
from zdda.fsck.store_check import StoreCheck
from zdda.ingest.reconcile import Difference, reconcile
from zdda.ingest.repair_report import Did, RepairReport
from zdda.model.deposit import DepositState
from zdda.model.views import DepositStatus
from zdda.settings import load

LATER = NOW + timedelta(hours=2)


def repair(folder: Path, crash: Callable[[str], None] = lambda _point: None) -> RepairReport:
    return repair_archive(load(folder / "zdda.toml"), folder, lambda _done, _all: None, TickingClock(LATER), crash)


def what(report: RepairReport) -> set[tuple[str, str]]:
    return {(str(item.did), item.kind) for item in report.items}


def compared(folder: Path) -> tuple[list[str], list[Difference]]:
    """(codes of findings that are not pending, differences)."""
    with open_to_doubt(load(folder / "zdda.toml"), folder) as stores:
        lines = list(StoreCheck(stores, pki().anchors, LATER).lines())
    archive = reopened(folder, resuming=False)
    parts = archive.archive
    found = list(reconcile(parts.database, parts.vault.generations, "simulated", lines))
    archive.close()
    codes = [line["code"] for line in lines if line["type"] == "finding" and line["severity"] != "pending"]
    return codes, found


def reopened(folder: Path, *, resuming: bool = True, **more: Any) -> SimulatedArchive:
    return make_archive(folder, clock=TickingClock(LATER), batch_size=3, resuming=resuming, **more)


def rows_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    archive = reopened(folder, resuming=False)
    found = rows(archive)
    archive.close()
    return found


def keep(folder: Path, what: str) -> None:
    """Takes the backup."""
    for path in kept(folder, what):
        target = folder.parent / "backup" / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(path, target) if path.is_dir() else shutil.copy2(path, target)


def put_back(folder: Path, what: str) -> None:
    for path in kept(folder, what):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in sorted((folder.parent / "backup").iterdir()):
        target = folder / path.name
        shutil.copytree(path, target) if path.is_dir() else shutil.copy2(path, target)


def kept(folder: Path, what: str) -> list[Path]:
    if what == "catalog":
        return sorted(folder.glob("catalog.db*"))
    if what == "records":
        return [folder / path for path in load(folder / "zdda.toml").keys.key_areas]
    return [folder / "store"]


def first_deposits(folder: Path) -> list[DepositStatus]:
    archive = make_archive(folder, batch_size=3)
    deposits = [archive.deposit([b"one", b"attached"], {"subjects": [{"type": "patient-number", "value": "7"}]}, "k1")]
    archive.settle()
    deposits.append(archive.deposit([b"two"], {"externalId": {"producer": "kis", "id": "2"}}))  # on its way
    archive.close()
    return deposits


def lived_on(folder: Path) -> list[DepositStatus]:
    archive = make_archive(folder, clock=TickingClock(NOW + timedelta(minutes=10)), batch_size=3)
    archive.settle()
    deposits = [archive.deposit([b"three"], {"retentionClass": "long"}, "k3"), archive.deposit([b"four"])]
    archive.settle()
    archive.close()
    return deposits


def statuses(folder: Path, deposits: list[DepositStatus]) -> list[DepositStatus]:
    archive = reopened(folder, resuming=False)
    found = [archive.status(each) for each in deposits]
    archive.close()
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.mark.parametrize("more", [False, True])
def test_an_old_catalog(folder: Path, more: bool) -> None:
    """A deposit that it has on its way, and those that it has never heard of, are archived with the receipts of old."""
    deposits = first_deposits(folder)
    keep(folder, "catalog")
    deposits += lived_on(folder)
    if more:
        deposits += lived_on_again(folder)
    before, told = rows_of(folder), statuses(folder, deposits)
    put_back(folder, "catalog")
    report = repair(folder)
    assert report.level
    assert what(report) == {("restored", kind) for kind in ("package", "batch", "amendment", "object")}
    assert statuses(folder, deposits) == told
    assert all(each.receipt is not None for each in told)
    after = rows_of(folder)
    for table, expected in before.items():
        assert after[table] == expected, table
    assert compared(folder) == ([], [])
    again = repair(folder)
    assert (again.items, again.level) == ([], True)
    archive = reopened(folder)  # it starts
    archive.settle()
    archive.close()
    assert rows_of(folder) == before


def lived_on_again(folder: Path) -> list[DepositStatus]:
    archive = make_archive(folder, clock=TickingClock(NOW + timedelta(minutes=20)), batch_size=3)
    deposits = [archive.deposit([b"five %d" % number]) for number in range(3)]
    archive.settle()
    archive.close()
    return deposits


class Crash(BaseException):
    """Everything stops here."""


def dying_at(point: str) -> Callable[[str], None]:
    def crash(reached: str) -> None:
        if reached == point:
            raise Crash(point)

    return crash


POINTS = (
    "reception.committed",
    "group.committed",
    "sealed.container-durable",
    "stored.put",
    "batch.closed",
    "batch.token-received",
    "batch.timestamped",
    "batch.object-stored",
    "batch.stored",
    "archived.amendment-durable",
    "archived.amendment-stored",
    "archived.committed",
)


def stopped_at(folder: Path, point: str) -> DepositStatus:
    make_archive(folder).close()
    archive = make_archive(folder, crash=dying_at(point))
    try:
        deposit = archive.deposit([b"on its way"], {"externalId": {"producer": "kis", "id": "9"}}, "k9")
        archive.settle()
    except Crash:
        pass
    archive.close()
    archive = reopened(folder, resuming=False)
    with archive.archive.database.read() as tx:
        identifier = tx.execute(select(tables.deposits.c.deposit_id)).scalar_one()
    deposit = archive.archive.intake.status(identifier)
    archive.close()
    return deposit


@pytest.mark.parametrize("point", POINTS)
def test_a_catalog_of_any_moment(folder: Path, point: str) -> None:
    """Whatever the old catalog was about to do, the archive had done since."""
    deposit = stopped_at(folder, point)
    keep(folder, "catalog")
    archive = make_archive(folder, clock=TickingClock(NOW + timedelta(minutes=10)))
    archive.settle()
    archive.close()
    before, told = rows_of(folder), statuses(folder, [deposit])
    assert told[0].state is DepositState.ARCHIVED
    put_back(folder, "catalog")
    assert repair(folder).level
    assert (rows_of(folder), statuses(folder, [deposit])) == (before, told)
    archive = reopened(folder)
    archive.settle()
    archive.close()
    assert rows_of(folder) == before


def test_what_was_stored_while_its_file_is_gone_goes_on_from_the_store(folder: Path) -> None:
    deposit = stopped_at(folder, "stored.put")
    keep(folder, "catalog")
    archive = make_archive(folder, crash=dying_at("batch.before-close"))
    with pytest.raises(Crash):
        archive.settle()
    archive.close()
    make_archive(folder).close()  # sweeps the spool
    put_back(folder, "catalog")
    assert what(repair(folder)) == {("restored", "package")}
    archive = reopened(folder)
    archive.settle()
    assert archive.status(deposit).state is DepositState.ARCHIVED
    archive.close()
    assert compared(folder) == ([], [])


@pytest.mark.parametrize("point", POINTS)
def test_what_is_on_its_way_is_left_alone(folder: Path, point: str) -> None:
    deposit = stopped_at(folder, point)
    before = rows_of(folder)
    assert not repair(folder).changed
    assert rows_of(folder) == before
    archive = make_archive(folder, clock=TickingClock(NOW + timedelta(minutes=10)))
    archive.settle()
    assert archive.status(deposit).state is DepositState.ARCHIVED
    archive.close()
    assert compared(folder) == ([], [])


@pytest.mark.parametrize("more", [False, True])
def test_an_old_store(folder: Path, more: bool) -> None:
    """What only the newer store had is lost and told, once in the audit; the catalog's rows stay."""
    first_deposits(folder)
    keep(folder, "store")
    deposits = lived_on(folder)
    put_back(folder, "store")
    if more:
        lived_on_again(folder)
    before = rows_of(folder)
    report = repair(folder)
    assert not report.level
    lost = {item.identifier for item in report.items if item.did is Did.LOST}
    assert {f"{each.package_id}/aip/0" for each in deposits} < lost
    after = rows_of(folder)
    copies = {row["state"] for row in after.pop("object_copies")}
    assert copies == {"present", "damaged"}
    before.pop("object_copies")
    assert after == before
    again = repair(folder)
    assert not again.changed
    assert {item.identifier for item in again.items if item.did is Did.LOST} == lost
    assert sum(b"object-lost" in each for each in audited(folder)) == len(lost)


def audited(folder: Path) -> list[bytes]:
    archive = reopened(folder, resuming=False)
    sequence(archive.archive.database)
    with archive.archive.database.read() as tx:
        found = list(tx.execute(select(audit_log.c.entry)).scalars())
    archive.close()
    return found


@pytest.mark.parametrize("more", [False, True])
def test_old_places_of_records(folder: Path, more: bool) -> None:
    """The catalog keeps the records that were written first: what the store still holds is not lost with its keys."""
    deposits = first_deposits(folder)
    keep(folder, "records")
    deposits += lived_on(folder)
    put_back(folder, "records")
    if more:
        deposits += lived_on_again(folder)
    before = rows_of(folder)
    report = repair(folder)
    assert what(report) == {("record-written", "record")}
    assert report.level
    assert rows_of(folder) == before
    assert compared(folder) == ([], [])
    assert repair(folder).items == []
    archive = reopened(folder)
    for each in deposits:
        with archive.archive.packages.document(each.package_id, 1, ACCOUNT).chunks as chunks:
            assert b"".join(chunks)
    archive.close()
    assert any(b"archive-repaired" in each for each in audited(folder))


def test_one_old_place_of_records(folder: Path) -> None:
    deposits = first_deposits(folder)
    keep(folder, "records")
    lived_on(folder)
    place = kept(folder, "records")[1]
    shutil.rmtree(place)
    shutil.copytree(folder.parent / "backup" / place.name, place)
    report = repair(folder)
    assert {(item.did, item.where) for item in report.items} == {(Did.RECORD_WRITTEN, "key-area-2")}
    assert len(deposits) == 2
    assert compared(folder) == ([], [])


def test_objects_that_no_record_names_are_told_and_stay(folder: Path) -> None:
    first_deposits(folder)
    for each in ("catalog", "records"):
        keep(folder, each)
    lived_on(folder)
    stored = sorted((folder / "store").rglob("*"))
    for path in kept(folder, "catalog") + kept(folder, "records"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in (folder.parent / "backup").iterdir():
        shutil.copytree(path, folder / path.name) if path.is_dir() else shutil.copy2(path, folder / path.name)
    report = repair(folder)
    assert not report.level
    assert {item.why for item in report.items if item.did is Did.LEFT} >= {"object-without-record"}
    assert sorted((folder / "store").rglob("*")) == stored


def test_what_was_deposited_again_is_told_and_left(folder: Path) -> None:
    make_archive(folder).close()
    keep(folder, "catalog")
    archive = make_archive(folder)
    first = archive.deposit([b"one"], {"externalId": {"producer": "kis", "id": "1"}})
    archive.settle()
    archive.close()
    put_back(folder, "catalog")
    archive = make_archive(folder, resuming=False)  # a start would have refused
    second = archive.deposit([b"one"], {"externalId": {"producer": "kis", "id": "1"}})
    archive.settle()
    receipt = archive.status(second).receipt
    archive.close()
    report = repair(folder)
    assert [(item.identifier, item.why) for item in report.items if item.did is Did.LEFT] == [
        (f"{first.package_id}/aip/0", "named-twice")
    ]
    archive = reopened(folder)  # what was told is no reason not to start
    assert archive.status(second).receipt == receipt
    archive.close()
    before = rows_of(folder)
    again = repair(folder)
    assert not again.level
    assert not again.changed
    assert rows_of(folder) == before


@pytest.mark.parametrize("point", ["repair.records-written", "repair.before-commit", "repair.committed"])
def test_a_crash_leaves_the_old_catalog_or_the_new(folder: Path, point: str) -> None:
    first_deposits(folder)
    keep(folder, "catalog")
    lived_on(folder)
    new = rows_of(folder)
    put_back(folder, "catalog")
    old = rows_of(folder)
    with pytest.raises(Crash):
        repair(folder, dying_at(point))
    assert rows_of(folder) == (new if point == "repair.committed" else old)
    assert repair(folder).level
    assert rows_of(folder) == new


COLUMNS = [
    (tables.packages, "title"),
    (tables.packages, "receipt"),
    (tables.package_documents, "verdict"),
    (tables.subject_identifiers, "value"),
    (tables.objects, "address"),
    (tables.amendments, "kind"),
    (tables.evidence_batches, "root"),
    (tables.evidence_members, "digest"),
    (tables.deposits, "state"),
]


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda item: getattr(item, "name", item))
def test_rows_that_tell_otherwise_are_made_anew(folder: Path, table: Any, column: str) -> None:
    first_deposits(folder)
    lived_on(folder)
    before = rows_of(folder)
    archive = reopened(folder, resuming=False)
    with archive.archive.database.write() as tx:
        row = tx.execute(select(table)).first()
        assert row is not None
        same = [each == row._mapping[each.name] for each in table.primary_key.columns]
        value = row._mapping[column]
        wrong: Any = value + b"x" if isinstance(value, bytes) else f"{value}x"
        if column == "address":
            wrong = "sha256:" + "0" * 64
        tx.execute(update(table).where(*same).values({column: wrong}))
    archive.close()
    assert repair(folder).level
    assert rows_of(folder) == before
    assert repair(folder).items == []

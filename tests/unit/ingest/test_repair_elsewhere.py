"""Repair of two sites, on PostgreSQL, by the command, and after a disposal: nothing that was destroyed comes back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select
from typer.testing import CliRunner, Result

from tests.simulator.archive import ACCOUNT, TickingClock, make_archive, prepare_two_sites
from tests.simulator.disposing import LATER as DUE
from tests.simulator.disposing import desk_of, packages_of, stores_say
from tests.simulator.pki import NOW
from tests.simulator.postgresql import database_url
from tests.unit.fsck.test_fsck_sites import blobs
from tests.unit.ingest.test_rebuild import rows
from tests.unit.ingest.test_repair import compared, keep, kept, put_back, reopened, repair, rows_of, what
from zdda.catalog import tables
from zdda.cli.main import application
from zdda.database.session import Transaction
from zdda.ingest.repair_report import Did
from zdda.model.clock import FixedClock
from zdda.model.deposit import DepositState
from zdda.model.errors import PackageDestroyed

__all__ = ["database_url"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def two_sites(folder: Path) -> Path:
    prepare_two_sites(folder)
    for content in (b"one", b"two"):
        deposited(folder, content)
    return folder


def deposited(folder: Path, content: bytes) -> None:
    archive = make_archive(folder)
    archive.deposit([content])
    archive.settle()
    archive.close()


def copies(folder: Path) -> dict[tuple[str, str], int]:
    counted: dict[tuple[str, str], int] = {}
    for row in rows_of(folder)["object_copies"]:
        counted[row["site"], row["state"]] = counted.get((row["site"], row["state"]), 0) + 1
    return counted


@pytest.mark.parametrize("more", [False, True])
def test_a_site_put_back_gets_what_it_lacks(two_sites: Path, more: bool) -> None:
    folder = two_sites
    for path in ("brno", "brno-records"):
        shutil.copytree(folder / path, folder.parent / path)
    deposited(folder, b"three")
    for path in ("brno", "brno-records"):
        shutil.rmtree(folder / path)
        shutil.copytree(folder.parent / path, folder / path)
    if more:
        deposited(folder, b"four")
    report = repair(folder)
    assert report.level
    assert {(item.did, item.where, item.why) for item in report.items} == {(Did.COPY_MISSING, "brno", "object-missing")}
    assert copies(folder) == {("praha", "present"): 12 if more else 9, ("brno", "present"): 9 if more else 6} | {
        ("brno", "missing"): 3
    }
    assert repair(folder).items == []
    archive = make_archive(folder)
    archive.settle()
    archive.close()
    assert compared(folder) == ([], [])
    assert set(copies(folder)) == {("praha", "present"), ("brno", "present")}


def test_an_old_catalog_of_two_sites(two_sites: Path) -> None:
    """Its rows of copies come back as well, those of a site that lacks one too."""
    folder = two_sites
    keep(folder, "catalog")
    deposited(folder, b"three")
    before = rows_of(folder)
    put_back(folder, "catalog")
    new = max(blobs(folder, "brno"), key=lambda path: path.stat().st_mtime_ns)
    new.unlink()
    report = repair(folder)
    assert report.level
    assert [(item.where, item.did) for item in report.items if item.did is not Did.RESTORED] == [
        ("brno", Did.COPY_MISSING)
    ]
    after = rows_of(folder)
    assert len(after.pop("object_copies")) == len(before.pop("object_copies"))
    assert after == before
    assert copies(folder)["brno", "missing"] == 1


KINDS = ["aip", "evidence-batch", "amendment"]


@pytest.mark.parametrize("kind", KINDS)
def test_damage_at_one_site_is_noted_and_at_both_it_is_lost(two_sites: Path, kind: str) -> None:
    """Whatever the stores have lost, no row goes, and nothing that is archived is called anything else."""
    folder = two_sites
    before = rows_of(folder)
    names = [row["address"].partition(":")[2] for row in before["objects"] if row["kind"] == kind]
    for site, name in (("brno", names[0]), ("brno", names[1]), ("praha", names[1])):
        path = next(each for each in blobs(folder, site) if each.name == name)
        path.chmod(0o600)
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    report = repair(folder)
    assert Did.RESTORED not in {item.did for item in report.items}
    assert [(item.did, item.why) for item in report.items if item.did is Did.LOST] == [(Did.LOST, "object-digest")]
    noted = sorted(str(item.where) for item in report.items if item.did is Did.COPY_DAMAGED)
    assert noted == ["brno", "brno", "praha"]
    after = rows_of(folder)
    assert {table for table in before if before[table] != after[table]} == {"object_copies"}
    assert not repair(folder).changed


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("column", ["title", "receipt"])
def test_a_row_that_is_wrong_while_its_evidence_is_lost(folder: Path, kind: str, column: str) -> None:
    """What the stores still prove is made anew; what they do not is left, and never made less."""
    deposited(folder, b"one")
    before = rows_of(folder)
    for path in (folder / "store" / "objects").rglob("*"):
        # a folder's two digits may be the end of an address
        if path.is_file() and any(
            row["kind"] == kind and row["address"].endswith(path.name) for row in before["objects"]
        ):
            path.unlink()
    archive = reopened(folder, resuming=False)
    with archive.archive.database.write() as tx:
        value = before["packages"][0][column]
        wrong = value + b"x" if isinstance(value, bytes) else f"{value}x"
        tx.execute(tables.packages.update().values({column: wrong}))
    archive.close()
    report = repair(folder)
    after = rows_of(folder)
    assert after["deposits"] == before["deposits"]
    assert after["evidence_batches"] == before["evidence_batches"]
    if kind == "amendment":
        assert "evidence-lost" in {item.why for item in report.items}
        assert after["packages"] == [before["packages"][0] | {column: wrong}]
    else:
        assert after["packages"] == before["packages"]
    assert not repair(folder).changed


def test_on_postgresql(folder: Path, database_url: str) -> None:
    archive = make_archive(folder, database_url=database_url)
    deposits = [archive.deposit([b"one"], {"subjects": [{"type": "patient-number", "value": "7"}]}, "key")]
    archive.settle()
    deposits.append(archive.deposit([b"two"]))
    archive.settle()
    before, told = rows(archive), [archive.status(each) for each in deposits]
    with archive.archive.database.write() as tx:
        forget(tx)
    archive.close()
    assert repair(folder).level
    archive = reopened(folder)
    assert rows(archive) == before
    assert [archive.status(each) for each in deposits] == told
    archive.close()
    assert repair(folder).items == []


def forget(tx: Transaction) -> None:
    """The second deposit is on its way again, as an older catalog has it."""
    row = tx.execute(select(tables.packages).order_by(tables.packages.c.package_id.desc()).limit(1)).one()
    of = {"package": row.package_id, "batch": row.batch_id}
    amendment = tx.execute(
        select(tables.evidence_batches.c.amendment_id).where(tables.evidence_batches.c.batch_id == of["batch"])
    ).scalar_one()
    for table in (tables.validation_object_uses, tables.subject_identifiers, tables.package_documents, tables.packages):
        tx.execute(delete(table).where(table.c.package_id == of["package"]))
    for table in (tables.evidence_members, tables.evidence_batches):
        tx.execute(delete(table).where(table.c.batch_id == of["batch"]))
    for table in (tables.amendment_packages, tables.amendments):
        tx.execute(delete(table).where(table.c.amendment_id == amendment))
    for table in (tables.object_copies, tables.objects):
        tx.execute(delete(table).where(table.c.package_id.in_([*of.values(), amendment])))
    deposits = tables.deposits
    tx.execute(
        deposits.update()
        .where(deposits.c.package_id == of["package"])
        .values(state=DepositState.STORED, batch_id=None, leaf_index=None, archived_at=None, receipt=None)
    )


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setattr("zdda.cli.reconcile.SystemClock", lambda: FixedClock(NOW + timedelta(hours=1)))
    return lambda *arguments: CliRunner().invoke(application(), ["reconcile", *arguments, "--folder", str(folder)])


def test_the_command(run: Callable[..., Result], folder: Path) -> None:
    deposited(folder, b"one")
    keep(folder, "catalog")
    deposited(folder, b"two")
    put_back(folder, "catalog")
    before = rows_of(folder)
    assert run().exit_code == 1
    assert rows_of(folder) == before
    result = run("--repair", "--json")
    assert result.exit_code == 0
    told: list[dict[str, Any]] = [json.loads(line) for line in result.stdout.splitlines()]
    assert {each["did"] for each in told} == {"restored"}
    assert {each["kind"] for each in told} == {"package", "batch", "amendment", "object"}
    result = run("--repair")
    assert (result.exit_code, result.stdout) == (0, "LEVEL: there was nothing to do\n")
    assert run().exit_code == 0
    shutil.rmtree(kept(folder, "records")[0])
    shutil.rmtree(folder / "store" / "objects")
    (folder / "store" / "objects").mkdir()
    result = run("--repair")
    assert result.exit_code == 1
    assert "record-written: record" in result.stdout
    assert "NOT LEVEL" in result.stdout
    inventory = folder / "inventory"
    inventory.write_text("")
    assert run("--repair", "--inventory", str(inventory)).exit_code == 2
    archive = make_archive(folder)
    assert run("--repair").exit_code == 3  # it runs
    archive.close()


@pytest.mark.parametrize("old", ["catalog", "records", "both"])
def test_nothing_that_was_destroyed_comes_back(folder: Path, monkeypatch: pytest.MonkeyPatch, old: str) -> None:
    archive = make_archive(folder)
    for key in ("one", "two"):
        archive.deposit([b"%PDF to be forgotten" * 1000], {}, key)
    archive.settle()
    one, two = packages_of(archive)
    archive.close()
    putting = ["catalog", "records"] if old == "both" else [old]
    for each in putting:
        keep(folder, each)
        shutil.move(folder.parent / "backup", folder.parent / each)
    archive = make_archive(folder, clock=TickingClock(NOW + timedelta(minutes=1)))
    stores_say(monkeypatch, DUE)
    desk_of(archive).dispose([one], "archivist")
    archive.close()
    monkeypatch.undo()
    before = rows_of(folder)
    for each in putting:
        shutil.move(folder.parent / each, folder.parent / "backup")
        put_back(folder, each)
        shutil.rmtree(folder.parent / "backup")
    report = repair(folder)
    archive = reopened(folder, resuming=False)
    after = rows(archive)
    assert packages_of(archive) == ([one, two] if old == "both" else [two])
    archive.close()
    if old == "both":  # nobody knows of the destruction any more: its receipt's record is gone
        assert (Did.LOST, f"{one}/aip/0") in {(item.did, item.identifier) for item in report.items}
        return
    assert {table for table in before if before[table] != after[table]} <= {"object_copies"}
    if old == "catalog":
        assert ("restored", "deletion") in what(report)
        archive = reopened(folder, resuming=False)
        with pytest.raises(PackageDestroyed):
            archive.archive.packages.describe(one, ACCOUNT)
        for place in archive.archive.vault.key_areas:
            assert one not in [record.name.package for record in place.records()]
        archive.close()
    assert not repair(folder).changed


@pytest.mark.parametrize("known_by", ["receipt", "catalog"])
def test_something_destroyed_that_is_put_back_is_told_and_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch, known_by: str
) -> None:
    """Its bytes and one of its records are there again; the receipt alone knows of the disposal, or the catalog."""
    make_archive(folder).close()
    keep(folder, "catalog")
    archive = make_archive(folder)
    for key in ("one", "two"):
        archive.deposit([b"%PDF to be forgotten" * 1000], {}, key)
    archive.settle()
    one = packages_of(archive)[0]
    archive.close()
    for each in ("records", "store"):
        keep(folder, each)
    stored = {path.name for path in (folder / "store" / "objects").rglob("*")}
    archive = make_archive(folder, clock=TickingClock(NOW + timedelta(minutes=1)))
    stores_say(monkeypatch, DUE)
    desk_of(archive).dispose([one], "archivist")
    archive.close()
    monkeypatch.undo()
    backup = folder.parent / "backup"
    place = kept(folder, "records")[0]
    shutil.rmtree(place)
    shutil.copytree(backup / place.name, place)
    shutil.copytree(backup / "store" / "objects", folder / "store" / "objects", dirs_exist_ok=True)
    if known_by == "receipt":
        for path in kept(folder, "catalog"):
            path.unlink()
        for path in backup.glob("catalog.db*"):
            shutil.copy2(path, folder / path.name)
    else:
        for path in (folder / "store" / "objects").rglob("*"):
            if path.is_file() and path.name not in stored:
                path.unlink()
    report = repair(folder)
    if known_by == "receipt":
        told = {(item.kind, item.identifier, item.where) for item in report.items if item.why == "destroyed"}
        assert told == {("record", f"{one}/aip/0", place.name), ("aip", f"{one}/aip/0", None)}
    assert not report.level
    assert (("restored", "package") in what(report)) is (known_by == "receipt")  # the other one
    archive = reopened(folder, resuming=False)
    assert one not in [record.name.package for record in archive.archive.vault.key_areas[1].records()]
    assert one not in packages_of(archive)
    archive.close()

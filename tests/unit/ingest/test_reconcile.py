"""Stores against catalog: whatever differs, in whichever direction and member, is named; nothing is changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, LargeBinary, Table, Text, delete, select, update

from tests.simulator.archive import SimulatedArchive, make_archive
from tests.simulator.pki import NOW, pki
from zdda.app_stopped import open_to_doubt
from zdda.catalog import tables
from zdda.database.types import Moment
from zdda.fsck.store_check import StoreCheck
from zdda.ingest.reconcile import Difference, ForeignInventory, Where, reconcile
from zdda.settings import load

Lines = list[dict[str, Any]]


def inventory_of(folder: Path) -> Lines:
    with open_to_doubt(load(folder / "zdda.toml"), folder) as stores:
        return list(StoreCheck(stores, pki().anchors, NOW).lines())


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Lines]:
    folder = tmp_path_factory.mktemp("reconcile") / "archive"
    archive = make_archive(folder)
    archive.deposit([b"one", b"two"], {"subjects": [{"type": "patient-number", "value": "7"}]}, "key")
    archive.settle()
    archive.deposit([b"three"], {"externalId": {"producer": "kis", "id": "3"}})
    archive.settle()
    archive.close()
    return folder, inventory_of(folder)


@pytest.fixture
def archive(original: tuple[Path, Lines], tmp_path: Path) -> Any:
    shutil.copytree(original[0], tmp_path / "archive")
    opened = make_archive(tmp_path / "archive")
    yield opened
    opened.close()


def differences(archive: SimulatedArchive, lines: Lines) -> list[Difference]:
    parts = archive.archive
    return list(reconcile(parts.database, parts.vault.generations, "simulated", lines))


def test_the_same_is_the_same(archive: SimulatedArchive, original: tuple[Path, Lines]) -> None:
    assert differences(archive, original[1]) == []


COMPARED = (
    tables.objects,
    tables.packages,
    tables.package_documents,
    tables.subject_identifiers,
    tables.amendments,
    tables.amendment_packages,
    tables.evidence_members,
)
OWN = {
    "tenant_id",
    # follow from the retention, which is compared
    "disposal_year",
    # an amendment's own retention is that of its object, which is compared
    "amendments.retain_until",
    # says nothing of an amendment that is stored
    "amendments.object_record",
}


def held_on_to(column: Column[Any]) -> bool:
    """Keys that rows of other tables share: the database keeps them the same."""
    named = column.table in (tables.packages, tables.amendments) and column.primary_key
    return bool(column.foreign_keys) or named


def columns() -> list[tuple[Table, str]]:
    found = [(table, column.name) for table in COMPARED for column in table.columns if not held_on_to(column)]
    found += [(tables.evidence_batches, name) for name in ("created_at", "root", "token", "gen_time", "amendment_id")]
    found += [(tables.deposits, name) for name in ("state", "receipt")]
    return [(table, name) for table, name in found if not {name, f"{table.name}.{name}"} & OWN]


def changed(table: Table, name: str, value: Any) -> Any:
    kind = table.c[name].type
    if isinstance(kind, Moment):
        return value.replace(year=value.year + 1)
    if isinstance(kind, LargeBinary):
        if name == "metadata":
            return value.replace(b"medical-record", b"medical-recorX")
        return (value or b"") + b"\0"
    if isinstance(kind, Text):
        return "sha256:" + "0" * 64 if name == "address" else f"{value}x"
    if name in ("package_id", "deposit_id", "batch_id", "amendment_id"):
        return type(value)(int=value.int ^ 1)
    return value + 7


@pytest.mark.parametrize(("table", "name"), columns(), ids=lambda item: getattr(item, "name", item))
def test_every_changed_column_is_noticed(
    archive: SimulatedArchive, original: tuple[Path, Lines], table: Table, name: str
) -> None:
    with archive.archive.database.write() as tx:
        row = tx.execute(select(table)).first()
        assert row is not None
        same = [column == row._mapping[column.name] for column in table.primary_key.columns]
        value = changed(table, name, row._mapping[name])
        tx.execute(update(table).where(*same).values({name: value}))
    assert differences(archive, original[1])


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (tables.objects, "object"),
        (tables.package_documents, "document"),
        (tables.evidence_members, "package"),
        (tables.subject_identifiers, "package"),
        (tables.amendment_packages, "amendment"),
        (tables.deposit_history, None),
    ],
    ids=lambda item: getattr(item, "name", item),
)
def test_every_removed_row_is_noticed(
    archive: SimulatedArchive, original: tuple[Path, Lines], table: Table, kind: str | None
) -> None:
    """The history of a deposit tells nothing that its package does not."""
    with archive.archive.database.write() as tx:
        tx.execute(delete(table))
    found = {each.kind for each in differences(archive, original[1])}
    assert found == set() if kind is None else kind in found


def without(lines: Lines, keep: Callable[[dict[str, Any]], bool]) -> Lines:
    return [line for line in lines if keep(line)]


@pytest.mark.parametrize("kind", ["object", "package", "batch", "amendment"])
def test_what_is_only_in_the_catalog(archive: SimulatedArchive, original: tuple[Path, Lines], kind: str) -> None:
    lines = without(original[1], lambda line: line["type"] != kind)
    found = differences(archive, lines)
    assert {(each.where, each.kind) for each in found} == {(Where.ONLY_IN_CATALOG, kind)}


def test_what_is_only_in_the_stores(tmp_path: Path, original: tuple[Path, Lines]) -> None:
    empty = make_archive(tmp_path / "empty")
    found = differences(empty, original[1])
    assert {each.where for each in found} == {Where.ONLY_IN_STORES}
    assert {each.kind for each in found} == {"object", "package", "batch", "amendment"}
    empty.close()


@pytest.mark.parametrize(
    "point", ["stored.put", "stored.committed", "batch.object-stored", "archived.amendment-stored"]
)
def test_what_is_on_its_way_is_pending(tmp_path: Path, point: str) -> None:
    class Crash(BaseException):
        pass

    def crash(reached: str) -> None:
        if reached == point:
            raise Crash

    archive = make_archive(tmp_path / "archive", crash=crash)
    archive.deposit([b"one"])
    with pytest.raises(Crash):
        archive.settle()
    archive.close()
    lines = inventory_of(tmp_path / "archive")
    archive = make_archive(tmp_path / "archive")
    found = differences(archive, lines)
    assert found
    assert {each.where for each in found} == {Where.PENDING}
    archive.close()


def test_another_archives_inventory_is_refused(archive: SimulatedArchive, original: tuple[Path, Lines]) -> None:
    lines = original[1]
    for change in ({"archive": "other"}, {"tenant": "other"}, {"format": "zdda-inventory/2"}):
        with pytest.raises(ForeignInventory):
            differences(archive, [lines[0] | change, *lines[1:]])
    with pytest.raises(ForeignInventory):
        differences(archive, [])

"""Every named commit point: the process dies there, another one goes on, and every promise holds."""

from __future__ import annotations

import importlib
import os
import pkgutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

import zdda
from tests.crash.children import DIED, dying_at, in_child
from tests.crash.promises import deposit, promises_hold
from tests.simulator.amendments import renewed
from tests.simulator.archive import SimulatedArchive, make_archive
from tests.simulator.pki import pki
from tests.simulator.postgresql import fresh_database
from zdda.catalog.amendments import end_of_chain
from zdda.catalog.tables import amendment_packages, packages
from zdda.ingest.amending import add_validation
from zdda.storage.blob_store import CrashPoint

STEPS = {"deposit_history": 5, "evidence_batches": 4}
"""Tables whose rows tell how far the work is, and how many commits write them on a deposit's way."""
pki()  # made before any child is: they all know the same authority


def declared() -> list[str]:
    """Every ``CRASH_POINTS`` of the package but those of stores that are no folders: their own tests reach them."""
    points: list[str] = []
    elsewhere = ("zdda.database.", "zdda.cli", "zdda.storage.s3_", "zdda.storage.fsspec_", "zdda.storage.cmis_")
    for module in pkgutil.walk_packages(zdda.__path__, "zdda."):
        if not module.name.startswith(elsewhere):
            points += getattr(importlib.import_module(module.name), "CRASH_POINTS", ())
    return points


def work(folder: Path, crash: CrashPoint, database_url: str | None = None) -> None:
    """One deposit from the first byte to the receipt; an acknowledgement is noted as its Producer would."""
    archive = make_archive(folder, crash=crash, database_url=database_url)
    status = deposit(archive)
    (folder / "acknowledged").write_text(str(status.deposit_id))
    archive.settle()
    amend(archive)


def amend(archive: SimulatedArchive) -> None:
    """Adds two amendments to every archived package, going on with the latest that it has: again, that adds none."""
    names = ("first", "second")
    with archive.archive.database.read() as tx:
        ends = {package: end_of_chain(tx, package) for package in tx.execute(select(packages.c.package_id)).scalars()}
    for package, end in ends.items():
        assert end is not None
        for name in names[max(end[0] - 2, 0) :]:
            add_validation(archive.archive.workshop, package, renewed(name=name))


def chains_are_whole(archive: SimulatedArchive) -> None:
    """What the evidence says, and both amendments, each once."""
    with archive.archive.database.read() as tx:
        assert [tuple(row) for row in tx.execute(select(amendment_packages.c.sequence))] == [(1,), (2,), (3,)]


def goes_on(folder: Path) -> SimulatedArchive:
    """What the next process and the Producer do: open the folder, send again what was not acknowledged, wait."""
    archive = make_archive(folder)
    if not (folder / "acknowledged").exists():
        deposit(archive)
    archive.settle()
    amend(archive)
    chains_are_whole(archive)
    return archive


@pytest.mark.parametrize("hit", [1, 2])
@pytest.mark.parametrize("point", declared())
def test_whoever_dies_there_leaves_nothing_broken(point: str, hit: int, tmp_path: Path) -> None:
    status = in_child(lambda: work(tmp_path, dying_at(point, hit)))
    if hit == 1:
        assert status == DIED, "the point is declared and never reached"
    elif status == 0:
        return  # reached once only
    else:
        assert status == DIED
    promises_hold(goes_on(tmp_path))


@pytest.mark.parametrize(
    "point", ["reception.before-commit", "reception.committed", "stored.put", "batch.closed", "archived.before-commit"]
)
def test_whoever_dies_there_leaves_nothing_broken_on_postgresql(point: str, tmp_path: Path) -> None:
    """The database outlives its client, and what it had begun for it."""
    with fresh_database("postgresql", tmp_path) as url:
        assert in_child(lambda: work(tmp_path / "archive", dying_at(point, 1), url)) == DIED
        promises_hold(goes_on(tmp_path / "archive"))


def test_dying_again_and_again_still_ends_well(tmp_path: Path) -> None:
    """Each process gets one point further than the one before it."""
    for point in declared():
        if in_child(lambda point=point: work_on(tmp_path, dying_at(point, 1))) == 0:  # type: ignore[misc]
            continue
    promises_hold(goes_on(tmp_path))


def work_on(folder: Path, crash: CrashPoint) -> None:
    if (folder / "acknowledged").exists():
        archive = make_archive(folder, crash=crash)
        archive.settle()
        amend(archive)
    else:
        work(folder, crash)


def test_points_have_one_name_each() -> None:
    assert len(set(declared())) == len(declared()) > 25
    assert os.name == "posix"


def test_every_commit_lies_between_two_points(tmp_path: Path) -> None:
    """A step added without its points, before and after what it makes true, is found here."""
    trace: list[str] = []
    archive = make_archive(tmp_path, crash=trace.append)
    with _commits(archive.archive.engine, trace):
        deposit(archive)
        archive.settle()
    archive.close()
    commits = [place for place, what in enumerate(trace) if what.startswith("commit ")]
    for table, count in STEPS.items():
        assert sum(table in trace[place].split() for place in commits) == count
    for place in commits:
        assert trace[place - 1] in declared(), f"no point before {trace[place]}"
        assert trace[place + 1] in declared(), f"no point after {trace[place]}"


class _commits:  # noqa: N801 - reads as a block
    """Adds to a trace each commit of rows in ``STEPS``, with the tables it wrote."""

    def __init__(self, engine: Engine, trace: list[str]) -> None:
        self._engine, self._trace = engine, trace
        self._written: set[str] = set()

    def __enter__(self) -> None:
        event.listen(self._engine, "before_cursor_execute", self._statement)
        event.listen(self._engine, "commit", self._commit)

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._statement)
        event.remove(self._engine, "commit", self._commit)

    def _statement(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        for table in STEPS:
            if statement.startswith((f"INSERT INTO {table} ", f"UPDATE {table} SET state=")):
                self._written.add(table)

    def _commit(self, _connection: Any) -> None:
        if self._written:
            self._trace.append(f"commit {' '.join(sorted(self._written))}")
            self._written.clear()

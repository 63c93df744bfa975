"""New reports become amendments: chained, once, audited, under the next evidence, there again after a rebuild."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from tests.simulator.amendments import renewed
from tests.simulator.archive import ACCOUNT, SimulatedArchive, TickingClock, make_archive
from tests.simulator.pki import NOW, pki
from tests.unit.ingest.test_rebuild import lose_the_catalog, rebuild, reopened, rows
from zdda.app_stopped import open_to_doubt
from zdda.audit.log import entries, sequence
from zdda.catalog.amendments import amendments_of, end_of_chain, unstored_amendments
from zdda.catalog.tables import amendment_packages, amendments, evidence_members
from zdda.database.session import TenantDatabase
from zdda.fsck.store_check import StoreCheck
from zdda.ingest import amending
from zdda.ingest.amending import (
    FinishingAmendments,
    NotAmendable,
    add_preservation_events,
    add_validation,
    finish_amendments,
)
from zdda.ingest.reconcile import Difference, Where, reconcile
from zdda.ingest.resumption import resume
from zdda.model.errors import NotFound, Unavailable
from zdda.model.identifiers import TenantId
from zdda.packaging.amendment import read_amendment
from zdda.packaging.preservation_events import EventOutcome, EventType, PreservationEvent, PreservationEvents
from zdda.settings import load
from zdda.storage.object_record import ObjectRecord
from zdda.storage.object_store import ObjectStore

_closed: list[object] = []


def close(archive: SimulatedArchive) -> None:
    """Once: its files' numbers are others' by then."""
    if not any(each is archive.archive for each in _closed):
        _closed.append(archive.archive)
        archive.close()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[SimulatedArchive]:
    opened = make_archive(tmp_path / "archive", batch_size=3)
    yield opened
    close(opened)


@pytest.fixture
def package(archive: SimulatedArchive) -> UUID:
    deposit = archive.deposit([b"one"])
    archive.settle()
    return deposit.package_id


def chain(archive: SimulatedArchive) -> list[Any]:
    wanted = (
        select(amendment_packages.c.sequence, amendment_packages.c.predecessor, amendments.c.digest, amendments.c.kind)
        .join_from(amendment_packages, amendments, amendments.c.amendment_id == amendment_packages.c.amendment_id)
        .order_by(amendment_packages.c.sequence)
    )
    with archive.archive.database.read() as tx:
        return [tuple(row) for row in tx.execute(wanted)]


def add(archive: SimulatedArchive, package: UUID, name: str = "simulated") -> UUID | None:
    return add_validation(archive.archive.workshop, package, renewed(name=name))


def inspected(archive: SimulatedArchive) -> tuple[list[str], list[Difference]]:
    """What fsck finds, and reconcile; the archive is closed."""
    close(archive)
    settings = load(archive.folder / "zdda.toml")
    with open_to_doubt(settings, archive.folder) as stores:
        lines = list(StoreCheck(stores, pki().anchors, NOW + timedelta(minutes=5)).lines())
    opened = make_archive(archive.folder, resuming=False)
    parts = opened.archive
    differences = list(reconcile(parts.database, parts.vault.generations, "simulated", lines))
    opened.close()
    return [line["code"] for line in lines if line["type"] == "finding"], differences


def test_each_follows_the_one_before(archive: SimulatedArchive, package: UUID) -> None:
    added = [add(archive, package, name) for name in ("first", "second")]
    assert None not in added
    (one, two, three) = chain(archive)
    assert [row[0] for row in (one, two, three)] == [1, 2, 3]
    assert (two[1], three[1]) == (one[2], two[2])
    assert [row[3] for row in (one, two, three)] == ["sealing-storing-evidence", "validation", "validation"]
    assert archive.archive.vault.spool.names() == []
    assert inspected(archive) == ([], [])


def test_what_is_kept_is_what_was_said(archive: SimulatedArchive, package: UUID) -> None:
    amendment = add(archive, package)
    record = next(each for each in archive.archive.vault.store.records() if each.name.package == amendment)
    with archive.archive.vault.store.open(record.name) as stream:
        content, _ = read_amendment(stream.read())
    assert content.body == renewed()
    assert [each.package for each in content.packages] == [package]


def test_preservation_events_join_the_chain(archive: SimulatedArchive, package: UUID) -> None:
    event = PreservationEvent(EventType.RECOVERY, NOW, EventOutcome.SUCCESS, "aip", 0, "main", "object-digest")
    body = PreservationEvents((event,))
    add_preservation_events(archive.archive.workshop, package, body)
    archive.settle()
    assert [each[3] for each in chain(archive)] == ["sealing-storing-evidence", "preservation-events"]
    assert read_amendment(archive.archive.packages.amendment(package, 2, ACCOUNT))[0].body == body
    while sequence(archive.archive.database):
        pass
    with archive.archive.database.read() as tx:
        told = [json.loads(each.entry) for each in entries(tx)]
    assert [each["facts"]["events"] for each in told if each["event"] == "package-preservation-events"] == [
        ["object-digest: success"]
    ]
    assert inspected(archive) == ([], [])


def test_preservation_events_are_told_once_while_the_store_is_away(
    archive: SimulatedArchive, package: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = PreservationEvent(EventType.RECOVERY, NOW, EventOutcome.SUCCESS, "aip", 0, "main", "object-digest")

    def away(*_arguments: object) -> None:
        raise Unavailable("the store is away")

    with monkeypatch.context() as while_away:
        while_away.setattr(ObjectStore, "put", away)
        add_preservation_events(archive.archive.workshop, package, PreservationEvents((event,)))
        FinishingAmendments(archive.archive.workshop).run_one()
    assert [each[3] for each in chain(archive)] == ["sealing-storing-evidence", "preservation-events"]
    with archive.archive.database.read() as tx:
        assert len(unstored_amendments(tx)) == 1
    FinishingAmendments(archive.archive.workshop).run_one()
    with archive.archive.database.read() as tx:
        assert unstored_amendments(tx) == []
    archive.settle()
    assert inspected(archive) == ([], [])


def test_a_consumer_lists_and_reads_them(archive: SimulatedArchive, package: UUID) -> None:
    amendment = add(archive, package)
    access = archive.archive.packages
    listed = access.amendments(package, ACCOUNT)
    assert [(each["sequence"], each["kind"]) for each in listed] == [
        (1, "sealing-storing-evidence"),
        (2, "validation"),
    ]
    assert listed[1]["amendmentId"] == str(amendment)
    sealed = access.amendment(package, 2, ACCOUNT)
    assert hashlib.sha256(sealed).hexdigest() == listed[1]["sha256"]
    assert read_amendment(sealed)[0].body == renewed()
    for missing in ((package, 3), (uuid4(), 1)):
        with pytest.raises(NotFound):
            access.amendment(*missing, ACCOUNT)


def test_the_same_again_adds_nothing(archive: SimulatedArchive, package: UUID) -> None:
    add(archive, package, "first")
    assert add(archive, package, "first") is None
    add(archive, package, "second")
    assert add(archive, package, "second") is None
    assert len(chain(archive)) == 3


def test_what_was_said_before_something_else_is_said_again(archive: SimulatedArchive, package: UUID) -> None:
    """The latest is the last word: one by a wrong policy does not stay it."""
    assert None not in [add(archive, package, name) for name in ("first", "second", "first")]
    assert len(chain(archive)) == 4


def test_it_is_audited_once(archive: SimulatedArchive, package: UUID) -> None:
    amendment = add(archive, package)
    add(archive, package)
    while sequence(archive.archive.database):
        pass
    with archive.archive.database.read() as tx:
        events = [json.loads(each.entry) for each in entries(tx)]
    (event,) = [each["facts"] for each in events if each["event"] == "package-validated-again"]
    assert event == {"package": str(package), "amendment": str(amendment), "verdicts": {"1": "TOTAL_PASSED"}}


def test_only_what_is_archived(archive: SimulatedArchive) -> None:
    with pytest.raises(NotFound):
        add(archive, uuid4())
    with pytest.raises(NotFound):
        add(archive, archive.deposit([b"one"]).package_id)


def test_a_chain_has_its_beginning(archive: SimulatedArchive, package: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amending, "end_of_chain", lambda *_: None)
    with pytest.raises(NotAmendable):
        add(archive, package)


def batch_of(archive: SimulatedArchive, amendment: UUID | None) -> tuple[UUID, Any] | None:
    wanted = select(evidence_members.c.batch_id).where(evidence_members.c.package_id == amendment)
    with archive.archive.database.read() as tx:
        return tx.execute(wanted).scalar_one_or_none()


def test_the_next_batch_proves_it(archive: SimulatedArchive, package: UUID) -> None:
    amendment = add(archive, package)
    archive.deposit([b"two"])
    archive.settle()
    assert batch_of(archive, amendment) is not None
    assert inspected(archive) == ([], [])


@pytest.mark.parametrize(("hours", "proven"), [(23, False), (25, True)])
def test_one_that_waited_long_joins_packages_of_other_years(tmp_path: Path, hours: int, proven: bool) -> None:
    archive = make_archive(tmp_path / "archive")
    package = archive.deposit([b"one"], {"retentionClass": "long"}).package_id
    archive.settle()
    amendment = add(archive, package)
    archive.close()
    archive = make_archive(tmp_path / "archive", clock=TickingClock(NOW + timedelta(hours=hours)))
    archive.deposit([b"two"])
    archive.settle()
    batch = batch_of(archive, amendment)
    assert (batch is not None) is proven
    if proven:  # it is kept as long as what it proves
        kept = {row["batch_id"]: row["retain_until"] for row in rows(archive)["evidence_batches"]}
        assert kept[batch].year > NOW.year + 50
    archive.close()


def test_a_rebuild_finds_it(archive: SimulatedArchive, package: UUID) -> None:
    add(archive, package)
    archive.deposit([b"two"])
    archive.settle()
    add(archive, package, "later")
    before = rows(archive)
    close(archive)
    lose_the_catalog(archive.folder)
    again = reopened(archive.folder)
    assert rebuild(again).problems == []
    assert rows(again) == before
    assert add(again, package, "later") is None
    assert add(again, package, "latest") is not None
    again.close()


def test_a_store_that_is_away_does_not_lose_it(
    archive: SimulatedArchive, package: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listed, so part of the chain; whoever looks meanwhile sees no damage; the next start stores it."""
    workshop, honest = archive.archive.workshop, ObjectStore.put

    def away(store: ObjectStore, record: ObjectRecord, *more: Any) -> object:
        with archive.archive.database.read() as tx:
            lone = {each.amendment_id for each in unstored_amendments(tx)}
        if record.name.package in lone:
            raise Unavailable("the store is away")
        return honest(store, record, *more)

    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "put", away)
        with pytest.raises(Unavailable):
            add(archive, package)
        resume(workshop, "")  # still away
        archive.deposit([b"two"])
        archive.settle()  # no batch takes what is not stored
    with archive.archive.database.read() as tx:
        (waiting,) = unstored_amendments(tx)
    assert batch_of(archive, waiting.amendment_id) is None
    assert len(workshop.spool.names()) == 1
    assert inspected(archive) == ([], [])
    opened = make_archive(archive.folder, batch_size=3)
    assert opened.archive.workshop.spool.names() == []
    assert add(opened, package) is None
    assert inspected(opened) == ([], [])


class Crash(BaseException):
    """Everything stops here."""


@pytest.mark.parametrize(
    ("point", "pending"),
    [("amended.durable", 0), ("amended.listed", 0), ("amended.put", 2), ("amended.stored", 0)],
)
def test_it_is_whole_wherever_everything_stopped(tmp_path: Path, point: str, pending: int) -> None:
    """Neither fsck nor reconcile complains before the next start; after it the amendment is there, or was never."""

    def crash(reached: str) -> None:
        if reached == point:
            raise Crash

    archive = make_archive(tmp_path / "archive", crash=crash)
    package = archive.deposit([b"one"]).package_id
    archive.settle()
    with pytest.raises(Crash):
        add(archive, package)
    findings, differences = inspected(archive)
    assert findings == []
    assert [each.where for each in differences] == [Where.PENDING] * (pending // 2)
    archive = make_archive(tmp_path / "archive")
    assert archive.archive.vault.spool.names() == []
    with archive.archive.database.read() as tx:
        assert unstored_amendments(tx) == []
        end = end_of_chain(tx, package)
    assert end is not None
    assert end[0] == (1 if point == "amended.durable" else 2)
    assert (add(archive, package) is None) is (end[0] == 2)
    finish_amendments(archive.archive.workshop)
    assert inspected(archive) == ([], [])


def test_another_catalogs_amendment_is_noticed_at_the_start(archive: SimulatedArchive, package: UUID) -> None:
    """A copy of the catalog was put back that does not know it."""
    archive.archive.engine.dispose()
    with sqlite3.connect(archive.folder / "catalog.db") as database:
        saved = list(database.iterdump())
    assert add(archive, package) is not None
    close(archive)
    lose_the_catalog(archive.folder)
    with sqlite3.connect(archive.folder / "catalog.db") as database:
        database.executescript("\n".join(saved))
    with pytest.raises(Exception, match="amendment"):
        make_archive(archive.folder)
    make_archive(archive.folder, resuming=False).close()


def test_rows_of_one_tenant_are_not_anothers(archive: SimulatedArchive, package: UUID) -> None:
    other = TenantDatabase(archive.archive.engine, TenantId("other"))
    with archive.archive.database.read() as tx, other.read() as foreign:
        assert end_of_chain(tx, package) is not None
        assert end_of_chain(foreign, package) is None
        assert amendments_of(foreign, package, "sealing-storing-evidence") == []

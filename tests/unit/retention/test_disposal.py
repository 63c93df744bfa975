"""Disposal in a whole archive: what goes, what stays, what refuses, what is told afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select

from tests.simulator.amendments import renewed
from tests.simulator.archive import ACCOUNT, TENANT, SimulatedArchive, make_archive
from tests.simulator.disposing import LATER, Alarms, desk_of, no_authority, packages_of, stamping_at, stores_say
from tests.simulator.pki import NOW
from zdda.audit.log import entries, sequence
from zdda.catalog.disposals import unended_disposals
from zdda.catalog.tables import (
    amendments,
    deposit_documents,
    deposits,
    disposals,
    evidence_batches,
    objects,
    packages,
    subject_identifiers,
)
from zdda.ingest.amending import add_validation
from zdda.model.errors import InvalidInput, NotFound, PackageDestroyed, Unavailable
from zdda.model.objects import ObjectKind, ObjectName
from zdda.packaging.amendment import read_amendment
from zdda.packaging.deletion_receipt import DISPOSAL, DeletionReceipt
from zdda.retention.clocks import ClocksDisagree
from zdda.retention.disposal import NotDue
from zdda.signatures.timestamp_token import parse_timestamp_token
from zdda.storage.filesystem_blobs import FilesystemBlobs

CONTENTS = [b"%PDF to be forgotten" * 1000, b"with it" * 100]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedArchive]:
    """Three packages in one batch, the first two due in ``LATER``."""
    opened = make_archive(tmp_path)
    for key, wanted in (("one", "medical-record"), ("two", "medical-record"), ("three", "long")):
        metadata = {"retentionClass": wanted, "externalId": {"producer": "kis", "id": key}}
        opened.deposit(CONTENTS, metadata, key)
    opened.settle()
    stores_say(monkeypatch, LATER)
    yield opened
    opened.close()


def receipts(archive: SimulatedArchive) -> list[DeletionReceipt]:
    """The receipts, read from the store."""
    with archive.archive.database.read() as tx:
        wanted = select(amendments.c.amendment_id).where(amendments.c.kind == DISPOSAL)
        names = list(tx.execute(wanted.order_by(amendments.c.amendment_id)).scalars())
    found = []
    for name in names:
        with closing(archive.archive.vault.store.open(ObjectName(TENANT, name, ObjectKind.AMENDMENT))) as stream:
            content, _ = read_amendment(stream.read())
        assert isinstance(content.body, DeletionReceipt)
        found.append(content.body)
    return found


def test_what_is_due_goes_from_everywhere_and_its_neighbours_stay(archive: SimulatedArchive) -> None:
    one, two, three = packages_of(archive)
    vault = archive.archive.vault
    address = vault.store.record(ObjectName(TENANT, one, ObjectKind.AIP)).address
    alarms = Alarms()
    desk_of(archive, alarms=alarms).dispose([one], "archivist")
    assert alarms.heard == []
    for place in vault.key_areas:
        assert one not in [record.name.package for record in place.records()]
    assert address not in vault.blobs.addresses()
    assert packages_of(archive) == [two, three]
    for package in (two, three):
        with closing(vault.store.open(ObjectName(TENANT, package, ObjectKind.AIP))) as stream:
            assert stream.read()


def test_the_receipt_tells_what_every_place_and_site_did(archive: SimulatedArchive) -> None:
    one = packages_of(archive)[0]
    record = archive.archive.vault.store.record(ObjectName(TENANT, one, ObjectKind.AIP))
    disposal = desk_of(archive).dispose([one], "archivist")
    (receipt,) = receipts(archive)
    assert (receipt.disposal, receipt.decided_by) == (disposal, "archivist")
    assert set(receipt.clocks) == {"system", "timestamp", "store:main"}
    (package,) = receipt.packages
    assert (package.package, package.retention_class, package.mark) == (one, "medical-record", "S")
    (erased,) = receipt.objects
    assert (erased.kind, erased.address, erased.length) == ("aip", str(record.address), record.length)
    assert [each.place for each in erased.records] == ["area 1", "area 2"]
    (copy,) = erased.copies
    assert (copy.site, copy.outcome, copy.passes) == ("main", "erased", ("zeros", "ones", "random"))
    with archive.archive.database.read() as tx:
        plan = tx.execute(select(disposals.c.plan)).scalar_one()
    assert receipt.plan == hashlib.sha256(plan).digest()
    assert parse_timestamp_token(receipt.token).is_over_digest(receipt.plan)


def test_a_destroyed_package_answers_that_it_is_gone(archive: SimulatedArchive) -> None:
    one = packages_of(archive)[0]
    with archive.archive.database.read() as tx:
        deposit = tx.execute(select(packages.c.deposit_id).where(packages.c.package_id == one)).scalar_one()
    desk_of(archive).dispose([one], "archivist")
    access = archive.archive.packages
    for ask in (
        lambda: access.describe(one, ACCOUNT),
        lambda: access.document(one, 1, ACCOUNT),
        lambda: access.amendments(one, ACCOUNT),
        lambda: archive.archive.intake.status(deposit),
        lambda: desk_of(archive).propose([one]),
    ):
        with pytest.raises(PackageDestroyed):
            ask()
    with pytest.raises(NotFound) as caught:
        access.describe(UUID(int=7), ACCOUNT)
    assert not isinstance(caught.value, PackageDestroyed)


def test_what_was_destroyed_is_not_deposited_again_by_a_repeated_request(archive: SimulatedArchive) -> None:
    one = packages_of(archive)[0]
    metadata = {"retentionClass": "medical-record", "externalId": {"producer": "kis", "id": "one"}}
    desk_of(archive).dispose([one], "archivist")
    with pytest.raises(PackageDestroyed):
        archive.deposit(CONTENTS, metadata, "one")
    again = archive.deposit(CONTENTS, metadata, "another key")
    archive.settle()
    assert archive.status(again).receipt is not None
    assert again.package_id != one


def test_no_row_tells_of_what_was_in_it(archive: SimulatedArchive) -> None:
    before = len(packages_of(archive))
    desk_of(archive).dispose(packages_of(archive)[:1], "archivist")
    with archive.archive.database.read() as tx:
        for table in (packages, deposits):
            assert tx.execute(select(func.count()).select_from(table)).scalar_one() == before - 1
        assert tx.execute(select(func.count()).select_from(deposit_documents)).scalar_one() == 2 * (before - 1)
        assert tx.execute(select(func.count()).select_from(subject_identifiers)).scalar_one() == 0


def test_what_is_not_due_refuses_all(archive: SimulatedArchive) -> None:
    one, _, three = packages_of(archive)
    with pytest.raises(NotDue) as caught:
        desk_of(archive).dispose([one, three], "archivist")
    refused = caught.value.details["refused"]
    assert isinstance(refused, dict)
    assert list(refused) == [str(three)]
    assert any("mark A" in reason for reason in refused[str(three)])
    assert any("kept until 2077" in reason for reason in refused[str(three)])
    assert len(packages_of(archive)) == 3


def test_before_its_time_nothing_goes(archive: SimulatedArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    almost = LATER.replace(year=2031, month=12, day=31)
    stores_say(monkeypatch, almost)
    with pytest.raises(NotDue):
        desk_of(archive, almost).dispose(packages_of(archive)[:1], "archivist")


def test_a_prolonged_record_keeps_the_object_whatever_the_catalog_says(archive: SimulatedArchive) -> None:
    one = packages_of(archive)[0]
    vault = archive.archive.vault
    record = vault.store.record(ObjectName(TENANT, one, ObjectKind.AIP))
    vault.key_areas[1].write(record.prolonged(vault.generations, LATER + timedelta(days=1)))
    with pytest.raises(NotDue):
        desk_of(archive).dispose([one], "archivist")


def test_a_prolonged_lock_keeps_the_object(archive: SimulatedArchive) -> None:
    one = packages_of(archive)[0]
    vault = archive.archive.vault
    vault.blobs.extend(vault.store.record(ObjectName(TENANT, one, ObjectKind.AIP)).address, LATER + timedelta(days=1))
    with pytest.raises(NotDue):
        desk_of(archive).dispose([one], "archivist")


def test_our_clock_thirty_years_ahead_destroys_nothing(
    archive: SimulatedArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is due by our clock; the authority and the store know better."""
    stores_say(monkeypatch, NOW)
    one = packages_of(archive)[0]
    ahead = NOW + timedelta(days=30 * 365)
    for desk in (
        desk_of(archive, ahead, timestamp=stamping_at(NOW)),
        desk_of(archive, NOW + timedelta(days=20 * 365)),  # the authority too: the store's own clock is left
        desk_of(archive, ahead, timestamp=no_authority),
    ):
        with pytest.raises(ClocksDisagree):
            desk.dispose([one], "archivist")
    assert len(packages_of(archive)) == 3


def test_a_clock_that_leaps_while_erasures_are_due_stops_them_with_an_alarm(
    archive: SimulatedArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(BaseException):
        """Here the process ends."""

    def crash(here: str) -> None:
        if here == "disposal.decided":
            raise Stopped

    one = packages_of(archive)[0]
    address = archive.archive.vault.store.record(ObjectName(TENANT, one, ObjectKind.AIP)).address
    with pytest.raises(Stopped):
        desk_of(archive, crash=crash).dispose([one], "archivist")
    alarms = Alarms()
    ahead = desk_of(archive, LATER + timedelta(days=30 * 365), timestamp=stamping_at(LATER), alarms=alarms)
    assert not ahead.go_on()
    assert alarms.codes == ["clocks-disagree"]
    assert address in archive.archive.vault.blobs.addresses()
    assert desk_of(archive).go_on()
    assert address not in archive.archive.vault.blobs.addresses()


def test_what_packages_share_goes_with_the_last(archive: SimulatedArchive) -> None:
    one, two, three = packages_of(archive)
    desk_of(archive).dispose([one], "archivist")
    desk_of(archive).dispose([two], "archivist")
    with archive.archive.database.read() as tx:
        assert tx.execute(select(func.count()).select_from(evidence_batches)).scalar_one() == 1
        assert tx.execute(select(amendments.c.kind)).scalars().all().count(DISPOSAL) == 2
    assert packages_of(archive) == [three]


def test_a_batch_goes_with_its_last_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive(tmp_path)
    for key in ("one", "two"):
        archive.deposit(CONTENTS, {}, key)
    archive.settle()
    stores_say(monkeypatch, LATER)
    one, two = packages_of(archive)
    desk_of(archive).dispose([one], "archivist")
    assert kinds(archive) == ["aip", "amendment", "amendment", "evidence-batch"]
    desk_of(archive).dispose([two], "archivist")
    assert kinds(archive) == ["amendment", "amendment"]
    with archive.archive.database.read() as tx:
        assert set(tx.execute(select(amendments.c.kind)).scalars()) == {DISPOSAL}
        assert tx.execute(select(func.count()).select_from(evidence_batches)).scalar_one() == 0
    told = sorted(each.kind for receipt in receipts(archive) for each in receipt.objects)
    assert told == ["aip", "aip", "amendment", "evidence-batch"]
    archive.close()


def test_a_batch_of_one_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive(tmp_path)
    archive.deposit(CONTENTS, {}, "alone")
    archive.settle()
    stores_say(monkeypatch, LATER)
    desk_of(archive).dispose(packages_of(archive), "archivist")
    assert kinds(archive) == ["amendment"]
    archive.close()


def kinds(archive: SimulatedArchive) -> list[str]:
    with archive.archive.database.read() as tx:
        listed = sorted(tx.execute(select(objects.c.kind)).scalars())
    records = sorted(record.name.kind.value for record in archive.archive.vault.store.records())
    assert listed == records
    return listed


def test_amendments_of_the_package_alone_go_with_it(archive: SimulatedArchive) -> None:
    one = packages_of(archive)[0]
    amendment = add_validation(archive.archive.workshop, one, renewed(name="again"))
    desk_of(archive).dispose([one], "archivist")
    (receipt,) = receipts(archive)
    assert {(each.kind, each.package) for each in receipt.objects} == {("aip", one), ("amendment", amendment)}
    assert all(each.leaf is not None for each in receipt.objects)


def test_the_audit_tells_of_decision_and_end(archive: SimulatedArchive) -> None:
    one = packages_of(archive)[0]
    desk_of(archive).dispose([one], "archivist")
    while sequence(archive.archive.database):
        pass
    with archive.archive.database.read() as tx:
        told = b"\n".join(each.entry for each in entries(tx))
    assert b"disposal-decided" in told
    assert b"package-destroyed" in told


def test_a_site_that_is_away_keeps_its_copy_until_it_is_back(
    archive: SimulatedArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = packages_of(archive)[0]
    address = archive.archive.vault.store.record(ObjectName(TENANT, one, ObjectKind.AIP)).address
    alarms = Alarms()

    def away(*_: object) -> None:
        raise Unavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(FilesystemBlobs, "erase", away)
        desk_of(archive, alarms=alarms).dispose([one], "archivist")
    assert alarms.codes == ["unavailable"]
    assert address in archive.archive.vault.blobs.addresses()
    assert receipts(archive) == []
    assert desk_of(archive).go_on()
    assert address not in archive.archive.vault.blobs.addresses()
    with archive.archive.database.read() as tx:
        assert not unended_disposals(tx)
    assert len(receipts(archive)) == 1


def test_a_desk_refuses_who_is_nobody(archive: SimulatedArchive) -> None:
    desk = desk_of(archive)
    for packages_asked, by in ((packages_of(archive)[:1], " "), ([], "archivist")):
        with pytest.raises(InvalidInput):
            desk.dispose(packages_asked, by)

"""Disposal where the store has a clock and locks of its own: in buckets of real servers, and in databases."""

from __future__ import annotations

import json
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.conformance.test_archive_in_s3 import use_bucket
from tests.conformance.test_nothing_left import files_of, found_in
from tests.services.s3 import S3_STORES, address_in, service_or_skip
from tests.simulator.archive import TENANT, SimulatedArchive, TickingClock, make_archive
from tests.simulator.disposing import Alarms, desk_of, packages_of, stamping_at
from tests.simulator.pki import new_pki
from zdda.app_stopped import purged
from zdda.blob_stores import deletion_witness
from zdda.catalog.tables import amendments
from zdda.ingest import reception
from zdda.model.clock import SystemClock, system_entropy
from zdda.model.objects import ObjectKind, ObjectName
from zdda.packaging.amendment import read_amendment
from zdda.packaging.deletion_receipt import DISPOSAL, DeletionReceipt, DestroyedCopy
from zdda.retention.disposal import DisposalDesk, NotDue
from zdda.settings import load
from zdda.storage.s3_client import connect
from zdda.storage.s3_versions import key_of

KEPT = timedelta(seconds=8)
_PATIENCE = 30.0
MARK = system_entropy(48)


def receipt_of(archive: SimulatedArchive) -> DeletionReceipt:
    with archive.archive.database.read() as tx:
        wanted = select(amendments.c.amendment_id).where(amendments.c.kind == DISPOSAL)
        name = ObjectName(TENANT, tx.execute(wanted).scalar_one(), ObjectKind.AMENDMENT)
    with closing(archive.archive.vault.store.open(name)) as stream:
        body = read_amendment(stream.read())[0].body
    assert isinstance(body, DeletionReceipt)
    return body


@pytest.mark.parametrize("name", S3_STORES)
def test_after_its_lock_a_package_goes_from_a_bucket(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept for seconds by a real lock; until it is over by the store's own clock, the package stays."""
    address = address_in(name)
    use_bucket(monkeypatch, address)
    if name == "ceph":
        monkeypatch.setenv("ZDDA_STORE__S3__OPERATIONS_LOG", service_or_skip(name)["operations_log"])
    until: list[datetime] = []

    def soon(*_: object) -> datetime:
        until.append(datetime.now(UTC).replace(microsecond=0) + KEPT)
        return until[-1]

    monkeypatch.setattr(reception, "retain_until", soon)
    now = new_pki(now=datetime.now(UTC).replace(microsecond=0))
    with closing(make_archive(tmp_path, clock=SystemClock(), timestamp=now.token)) as archive:
        archive.deposit([b"%PDF" + MARK], {}, "one")
        archive.settle()
        (one,) = packages_of(archive)
        blobs = archive.archive.vault.blobs
        lies_at = archive.archive.vault.store.record(ObjectName(TENANT, one, ObjectKind.AIP)).address
        alarms = Alarms()

        def desk() -> DisposalDesk:
            settings = load(tmp_path / "zdda.toml")
            return desk_of(
                archive,
                clock=SystemClock(),
                timestamp=stamping_at(datetime.now(UTC).replace(microsecond=0)),
                alarms=alarms,
                witness=deletion_witness(settings, tmp_path),
            )

        with pytest.raises(NotDue):
            desk().dispose([one], "archivist")
        end = time.monotonic() + _PATIENCE
        while (blobs.own_time() or until[0]) <= until[0] + timedelta(seconds=1):
            assert time.monotonic() < end
        desk().dispose([one], "archivist")
        assert alarms.heard == []
        listed = connect(address).list_object_versions(Bucket=address.bucket, Prefix=key_of(lies_at))
        assert not listed.get("Versions")
        assert not listed.get("DeleteMarkers")
        receipt = receipt_of(archive)
        assert {each.kind for each in receipt.objects} == {"aip", "amendment", "evidence-batch"}
        for each in receipt.objects:
            (copy,) = each.copies
            assert (copy.outcome, copy.method) == ("erased", "versions-deleted")
            if name == "ceph":
                quotes_the_gateway(copy)


def quotes_the_gateway(copy: DestroyedCopy) -> None:
    for request in copy.evidence["requests"].split():
        entry = json.loads(copy.evidence[f"log {request}"])
        assert (entry["operation"], entry["http_status"]) == ("delete_obj", "204")


def test_nothing_is_left_of_what_lay_in_the_catalogs_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deposited long ago, so that the database's own clock and triggers let it go."""
    monkeypatch.setenv("ZDDA_STORE__KIND", "database")
    past = datetime(2015, 6, 1, tzinfo=UTC)
    token = new_pki(born=past - timedelta(days=1), now=past).token
    with closing(make_archive(tmp_path, clock=TickingClock(past), timestamp=token)) as archive:
        archive.deposit([b"%PDF" + MARK], {"title": "Zprava-o-nikom-7318"}, "one")
        archive.settle()
        (one,) = packages_of(archive)
        store = archive.archive.vault.store
        record = store.record(ObjectName(TENANT, one, ObjectKind.AIP))
        with archive.archive.vault.blobs.open(record.address) as stream:
            stored = stream.read()
        now = datetime.now(UTC).replace(microsecond=0)
        alarms = Alarms()
        desk_of(archive, now, timestamp=stamping_at(now), alarms=alarms).dispose([one], "archivist")
        assert alarms.heard == []
        key = record.data_key(archive.archive.vault.generations)
    purged(load(tmp_path / "zdda.toml"), tmp_path)
    secrets = {"object": stored[1000:1100], "key": key, "wrapped": record.wrapped_data_key, "title": b"nikom-7318"}
    assert found_in(files_of(tmp_path), secrets) == []

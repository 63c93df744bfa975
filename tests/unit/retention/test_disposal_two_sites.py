"""Disposal at two sites, one of which goes away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.simulator.archive import TENANT, SimulatedArchive, make_archive, prepare_two_sites
from tests.simulator.disposing import LATER, Alarms, desk_of, packages_of, stores_say
from tests.simulator.pki import pki
from zdda.app_stopped import open_to_doubt
from zdda.catalog.object_copies import CopyState
from zdda.catalog.tables import disposal_copies, object_copies
from zdda.fsck.store_check import StoreCheck
from zdda.model.errors import NotFound, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectKind, ObjectName
from zdda.retention.disposal import DisposalDesk, NotDue
from zdda.settings import load
from zdda.storage.awaited_site import AwaitedBlobs, AwaitedRecords
from zdda.storage.site import Site


class Stopped(BaseException):
    """Here the process ends."""


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedArchive]:
    prepare_two_sites(tmp_path, ('name = "patient"', 'name = "patient"\nstores = ["praha"]'))
    opened = make_archive(tmp_path)
    for key in ("one", "two"):
        opened.deposit([b"%PDF to be forgotten" * 1000], {}, key)
    opened.settle()
    stores_say(monkeypatch, LATER)
    yield opened
    with suppress(OSError):
        opened.close()


def away() -> object:
    raise Unavailable("the site is away")


def without(name: str, desk: DisposalDesk) -> DisposalDesk:
    """The same desk while a site does not answer."""
    absent = Site(name, AwaitedBlobs(away), AwaitedRecords(away))  # type: ignore[arg-type]
    sites = tuple(absent if site.name == name else site for site in desk.everywhere.sites)
    places = tuple(
        replace(place, records=absent.records) if place.name == f"site {name}" else place  # type: ignore[arg-type]
        for place in desk.everywhere.places
    )
    return replace(desk, everywhere=replace(desk.everywhere, sites=sites, places=places))


def addresses(archive: SimulatedArchive, package: UUID) -> ContentAddress:
    return archive.archive.vault.store.record(ObjectName(TENANT, package, ObjectKind.AIP)).address


def lies_at(archive: SimulatedArchive, address: ContentAddress) -> list[str]:
    return [site.name for site in archive.archive.vault.sites if address in site.blobs.addresses()]


def test_it_goes_from_both_sites_and_all_places(archive: SimulatedArchive) -> None:
    one = packages_of(archive)[0]
    address = addresses(archive, one)
    assert lies_at(archive, address) == ["praha", "brno"]
    alarms = Alarms()
    desk = desk_of(archive, alarms=alarms)
    desk.dispose([one], "archivist")
    assert alarms.heard == []
    assert lies_at(archive, address) == []
    assert [place.name for place in desk.everywhere.places] == ["area 1", "area 2", "site praha", "site brno"]
    for place in desk.everywhere.places:
        with pytest.raises(NotFound):
            place.records.read(ObjectName(TENANT, one, ObjectKind.AIP))
    with archive.archive.database.read() as tx:
        assert tx.execute(select(object_copies).where(object_copies.c.package_id == one)).all() == []


def test_while_a_site_is_away_nothing_is_decided(archive: SimulatedArchive) -> None:
    """Nobody knows what it locks or holds."""
    with pytest.raises(NotDue) as caught:
        without("brno", desk_of(archive)).dispose(packages_of(archive)[:1], "archivist")
    assert "brno" in str(caught.value.details["refused"])
    assert len(packages_of(archive)) == 2


@pytest.mark.parametrize(
    ("point", "site", "left"),
    [
        ("disposal.decided", "brno", ["praha", "brno"]),  # not even the records go
        ("erasing.records-noted", "brno", ["brno"]),
        ("erasing.copy-noted", "praha", ["praha"]),  # sites erase in the order of their names
    ],
)
def test_a_site_that_goes_away_on_the_way_is_awaited_and_nothing_comes_back(
    point: str, site: str, left: list[str], archive: SimulatedArchive
) -> None:
    def crash(here: str) -> None:
        if here == point:
            raise Stopped

    one = packages_of(archive)[0]
    address = addresses(archive, one)
    with pytest.raises(Stopped):
        desk_of(archive, crash=crash).dispose([one], "archivist")
    with archive.archive.database.read() as tx:
        states = tx.execute(select(object_copies.c.state).where(object_copies.c.package_id == one)).scalars().all()
    assert states == [CopyState.ERASING.value] * 2
    alarms = Alarms()
    assert not without(site, desk_of(archive, alarms=alarms)).go_on()
    assert alarms.codes == ["unavailable"]
    archive.settle()  # neither replication nor scrubbing brings back what has gone
    assert lies_at(archive, address) == left
    assert desk_of(archive).go_on()
    assert lies_at(archive, address) == []
    with archive.archive.database.read() as tx:
        assert len(tx.execute(select(disposal_copies.c.told).where(disposal_copies.c.told.is_not(None))).all()) == 2


def test_fsck_finds_both_sites_whole_afterwards(archive: SimulatedArchive) -> None:
    """Packages of two classes, one of which lies at one site; one of each kind is destroyed in turn."""
    archive.deposit([b"%PDF of another class"], {"retentionClass": "patient"}, "three")
    archive.settle()
    for package in packages_of(archive)[1:]:
        desk_of(archive).dispose([package], "archivist")
    archive.close()
    with open_to_doubt(load(archive.folder / "zdda.toml"), archive.folder) as stores:
        lines = list(StoreCheck(stores, pki().anchors, LATER).lines())
    codes = {line["code"] for line in lines if line["type"] == "finding"}
    assert codes <= {"amendment-untrusted", "package-untrusted"}, codes  # the simulated seal has ended by then
    assert len([line for line in lines if line["type"] == "package"]) == 1

"""What stops a disposal that was decided: liars among the places, locks and records that were prolonged meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.simulator.archive import TENANT, SimulatedArchive, make_archive
from tests.simulator.disposing import LATER, Alarms, desk_of, packages_of, stores_say
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectKind, ObjectName
from zdda.retention.disposal import DisposalWork
from zdda.storage.filesystem_key_area import FilesystemKeyArea
from zdda.storage.object_record import ObjectRecord
from zdda.storage.read_cache import ReadCache


class Stopped(BaseException):
    """Here the process ends."""


def dying_at(point: str) -> Callable[[str], None]:
    def crash(here: str) -> None:
        if here == point:
            raise Stopped

    return crash


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedArchive]:
    opened = make_archive(tmp_path / "archive")
    for key in ("one", "two"):
        opened.deposit([b"%PDF to be forgotten" * 1000], {}, key)
    opened.settle()
    stores_say(monkeypatch, LATER)
    yield opened
    opened.close()


def record_of(archive: SimulatedArchive) -> ObjectRecord:
    return archive.archive.vault.store.record(ObjectName(TENANT, packages_of(archive)[0], ObjectKind.AIP))


def test_a_place_that_destroys_nothing_is_found_out(archive: SimulatedArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copies stay until no record can open them."""
    record = record_of(archive)
    liar = archive.archive.vault.key_areas[1]
    destroy = FilesystemKeyArea.destroy
    alarms = Alarms()
    with monkeypatch.context() as patched:
        patched.setattr(FilesystemKeyArea, "destroy", lambda area, name: None if area is liar else destroy(area, name))
        desk_of(archive, alarms=alarms).dispose([record.name.package], "archivist")
    assert alarms.codes == ["not-erased"]
    assert record.address in archive.archive.vault.blobs.addresses()
    assert desk_of(archive, alarms=alarms).go_on()
    assert record.address not in archive.archive.vault.blobs.addresses()


@pytest.mark.parametrize("what", ["lock", "record"])
def test_what_is_prolonged_after_the_decision_stays(what: str, archive: SimulatedArchive) -> None:
    record, vault = record_of(archive), archive.archive.vault
    with pytest.raises(Stopped):
        desk_of(archive, crash=dying_at("disposal.decided")).dispose([record.name.package], "archivist")
    if what == "lock":
        vault.blobs.extend(record.address, LATER + timedelta(days=1))
    else:
        vault.key_areas[0].write(record.prolonged(vault.generations, LATER + timedelta(days=1)))
    alarms = Alarms()
    assert not desk_of(archive, alarms=alarms).go_on()
    assert alarms.codes == ["erase-refused"]
    with closing(vault.store.open(record.name)) as stream:
        assert stream.read()


def test_the_runner_goes_on_with_what_was_stopped(archive: SimulatedArchive) -> None:
    record = record_of(archive)
    with pytest.raises(Stopped):
        desk_of(archive, crash=dying_at("erasing.records-gone")).dispose([record.name.package], "archivist")
    assert record.address in archive.archive.vault.blobs.addresses()
    alarms = Alarms()
    assert DisposalWork(desk_of(archive, alarms=alarms)).run_one() is False
    assert alarms.heard == []
    assert record.address not in archive.archive.vault.blobs.addresses()


def test_the_cache_keeps_no_copy(archive: SimulatedArchive, tmp_path: Path) -> None:
    record, blobs = record_of(archive), archive.archive.vault.blobs
    with closing(ReadCache(tmp_path / "cache", 10 * 1024 * 1024)) as cache:
        with cache.open(record.address, record.length, lambda: blobs.open(record.address)) as stream:
            stream.read()
        assert kept(tmp_path / "cache", record.address)
        desk_of(archive, caches=(cache,)).dispose([record.name.package], "archivist")
        assert not kept(tmp_path / "cache", record.address)


def kept(folder: Path, address: ContentAddress) -> list[Path]:
    return [path for path in folder.rglob("*") if address.digest.hex() in path.name]


def test_a_file_of_the_spool_is_overwritten_and_removed(archive: SimulatedArchive) -> None:
    spool = archive.archive.vault.spool
    with spool.path("left").open("wb") as file:
        file.write(b"x" * 1000)
    with spool.path("left").open("rb") as still_open:
        assert spool.erase("left")
        assert b"x" * 8 not in still_open.read()
    assert not spool.erase("left")
    assert spool.names() == []


def test_keys_go_before_copies(archive: SimulatedArchive) -> None:
    """Whatever stops a disposal: a copy that is gone never leaves a record, and a record may leave a copy."""
    record, vault = record_of(archive), archive.archive.vault
    seen: list[tuple[str, int, bool]] = []

    def look(here: str) -> None:
        if here in ("erasing.record-destroyed", "erasing.records-gone", "erasing.copy-erased"):
            held = sum(record.name in [each.name for each in area.records()] for area in vault.key_areas)
            seen.append((here, held, record.address in vault.blobs.addresses()))

    desk_of(archive, crash=look).dispose([record.name.package], "archivist")
    assert seen == [
        ("erasing.record-destroyed", 1, True),
        ("erasing.record-destroyed", 0, True),
        ("erasing.records-gone", 0, True),
        ("erasing.copy-erased", 0, False),
    ]

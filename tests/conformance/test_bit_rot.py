"""An archive of two sites, each with records of its own: whatever rots at one is found, named and mended while the
archive runs, and fsck is clean afterwards; whatever rots at both is found, named, and an alarm."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.archive import SITES, SimulatedArchive, TickingClock, make_archive, prepare_two_sites
from tests.simulator.pki import NOW, pki
from zdda.app_stopped import open_to_doubt
from zdda.audit.log import entries, sequence
from zdda.fsck.store_check import StoreCheck
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectKind, ObjectName
from zdda.settings import load
from zdda.storage.object_record import ObjectRecord
from zdda.storage.slots import COPY, SLOTS, decode_copy, encode_copy, slot_offset

PLACES = ("key-area-1", "key-area-2", "praha-records", "brno-records")
KINDS = (ObjectKind.AIP, ObjectKind.EVIDENCE_BATCH, ObjectKind.AMENDMENT)
LATER = NOW + timedelta(days=3)


@dataclass(frozen=True)
class Folder:
    """An archive that is stopped, to be damaged. ``early``: the same before retentions were prolonged."""

    path: Path
    early: Path

    def slots(self, place: str) -> dict[ObjectName, int]:
        data, found = self.segment(place).read_bytes(), {}
        for slot in range(SLOTS):
            copies = [decode_copy(data[(at := slot_offset(slot, copy)) : at + COPY]) for copy in (0, 1)]
            _, body = max((each for each in copies if each), default=(0, b""))
            if body:
                found[ObjectRecord.decode(body).name] = slot
        return found

    def segment(self, place: str) -> Path:
        return self.path / place / "segment-000000.slots"

    def name(self, kind: ObjectKind, number: int = 0) -> ObjectName:
        return sorted(
            (each for each in self.slots(PLACES[0]) if each.kind is kind), key=lambda each: str(each.package)
        )[number]

    def blob(self, site: str, name: ObjectName) -> Path:
        with open_to_doubt(load(self.path / "zdda.toml"), self.path) as stores:
            lines = list(StoreCheck(stores, pki().anchors, LATER).lines())
        (address,) = (line["address"] for line in lines if _is(line, name))
        digits = ContentAddress.parse(address).digest.hex()
        return self.path / site / "objects" / digits[:2] / digits[2:4] / digits

    def findings(self) -> list[dict[str, Any]]:
        with open_to_doubt(load(self.path / "zdda.toml"), self.path) as stores:
            lines = list(StoreCheck(stores, pki().anchors, LATER).lines())
        return [line for line in lines if line["type"] == "finding"]

    def run(self) -> set[tuple[str, str, str]]:
        """Lets the archive run two days later; (event, site, problem) of what the audit has of copies."""
        archive = make_archive(self.path, clock=TickingClock(LATER))
        archive.settle()
        found = told(archive)
        archive.close()
        return found


def _is(line: dict[str, Any], name: ObjectName) -> bool:
    return line["type"] == "object" and (line["package"], line["kind"]) == (str(name.package), name.kind)


def told(archive: SimulatedArchive) -> set[tuple[str, str, str]]:
    while sequence(archive.archive.database):
        pass
    with archive.archive.database.read() as tx:
        events = [json.loads(each.entry) for each in entries(tx)]
    return {
        (each["event"], each["facts"]["site"], each["facts"]["problem"])
        for each in events
        if each["event"] in ("copy-damaged", "copy-mended", "copy-lost")
    }


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("rot") / "archive"
    prepare_two_sites(folder, ("[scrub]\nbytes_per_second = 0", "[scrub]\nbytes_per_second = 100000000"))
    archive = make_archive(folder)
    archive.deposit([b"first" * 1000, b"attachment"])
    archive.deposit([b"second"])
    archive.settle()
    archive.close()
    early = folder.with_name("early")
    shutil.copytree(folder, early)
    archive = make_archive(folder, clock=TickingClock(NOW + timedelta(minutes=1)))
    vault = archive.archive.vault
    for record in list(vault.store.records()):
        longer = record.prolonged(vault.generations, record.retain_until.replace(year=2060))
        for place in (*vault.key_areas, *(site.records for site in vault.sites if site.records is not None)):
            place.write(longer)
        for site in vault.sites:
            site.blobs.extend(record.address, longer.retain_until)
    archive.close()
    return folder, early


@pytest.fixture
def folder(original: tuple[Path, Path], tmp_path: Path) -> Folder:
    shutil.copytree(original[0], tmp_path / "archive")
    return Folder(tmp_path / "archive", original[1])


def test_left_alone_nothing_is_found(folder: Folder) -> None:
    assert folder.findings() == []
    assert folder.run() == set()
    assert folder.findings() == []


def _rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    status = path.stat()
    path.chmod(0o600)
    path.write_bytes(change(path.read_bytes()))
    path.chmod(0o400)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _another(folder: Folder, site: str, name: ObjectName) -> bytes:
    other = next(each for each in folder.slots(PLACES[0]) if each != name)
    return folder.blob(site, other).read_bytes()


def rot_blob(folder: Folder, site: str, name: ObjectName, how: str) -> str:
    """What it is called."""
    path = folder.blob(site, name)
    if how == "remove":
        path.unlink()
        return "object-missing"
    if how == "roll back":  # the lock, to what it was before it was prolonged
        os.utime(path, ns=(0, int(NOW.replace(year=2032).timestamp()) * 10**9))
        return "lock-too-short"
    if how == "swap":
        other = _another(folder, site, name)
        _rewrite(path, lambda _data: other)
        return "object-length"
    if how == "flip":
        _rewrite(path, lambda data: data[:99] + bytes([data[99] ^ 1]) + data[100:])
        return "object-digest"
    _rewrite(path, lambda data: data[: len(data) // 2])
    return "object-length"


HOW = ("flip", "truncate", "swap", "remove", "roll back")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", KINDS)
def test_an_object_that_rots_at_one_site_is_mended(kind: ObjectKind, how: str, folder: Folder) -> None:
    problem = rot_blob(folder, "brno", folder.name(kind), how)
    assert folder.findings()
    assert folder.run() == {("copy-damaged", "brno", problem), ("copy-mended", "brno", problem)}
    assert [each for each in folder.findings() if each["severity"] == "broken"] == []


@pytest.mark.parametrize("how", HOW[:4])
@pytest.mark.parametrize("kind", KINDS)
def test_an_object_that_rots_at_both_sites_is_an_alarm(kind: ObjectKind, how: str, folder: Folder) -> None:
    problems = {(site, rot_blob(folder, site, folder.name(kind), how)) for site in SITES}
    assert folder.run() >= {("copy-lost", site, problem) for site, problem in problems}
    found = {each["code"] for each in folder.findings() if each["severity"] == "broken"}
    assert found & {problem for _, problem in problems}


def rot_record(folder: Folder, place: str, name: ObjectName, how: str) -> set[str]:
    """What it may be called."""
    slot = folder.slots(place)[name]
    path = folder.segment(place)
    data = bytearray(path.read_bytes())
    at = [slot_offset(slot, copy) for copy in (0, 1)]
    if how == "flip":
        for each in at:
            data[each + 200] ^= 1
    elif how == "truncate":
        for each in at:
            data[each + COPY // 2 : each + COPY] = bytes(COPY - COPY // 2)
    elif how == "remove":
        for each in at:
            data[each : each + COPY] = bytes(COPY)
    elif how == "swap":
        other = next(number for held, number in folder.slots(place).items() if held != name)
        for each, copy in zip(at, (0, 1), strict=True):
            data[each : each + COPY] = data[slot_offset(other, copy) : slot_offset(other, copy) + COPY]
    else:
        then = Folder(folder.early, folder.early)
        before = then.segment(place).read_bytes()
        old = max(
            held
            for copy in (0, 1)
            if (held := decode_copy(before[(of := slot_offset(then.slots(place)[name], copy)) : of + COPY]))
        )[1]
        for each in at:
            data[each : each + COPY] = encode_copy(1000, old)
    path.write_bytes(data)
    return {"record-older"} if how == "roll back" else {"record-missing", "record-malformed"}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["key-area-2", "brno-records"])
def test_a_record_that_rots_in_one_place_is_mended(place: str, kind: ObjectKind, how: str, folder: Folder) -> None:
    problems = rot_record(folder, place, folder.name(kind), how)
    assert folder.findings()
    events = folder.run()
    assert {event for event, _, _ in events} == {"copy-damaged", "copy-mended"}
    assert {problem for _, _, problem in events} <= problems
    assert [each for each in folder.findings() if each["severity"] == "broken"] == []


@pytest.mark.parametrize("how", HOW[:4])
@pytest.mark.parametrize("kind", KINDS)
def test_a_record_that_rots_everywhere_is_an_alarm(kind: ObjectKind, how: str, folder: Folder) -> None:
    name = folder.name(kind)
    for place in PLACES:
        rot_record(folder, place, name, how)
    assert ("copy-lost", "praha", "record-lost") in folder.run()
    assert [each for each in folder.findings() if each["severity"] == "broken"]

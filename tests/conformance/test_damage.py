"""Whatever one does to any one object, record, slot, batch, amendment, or to key and object together: fsck names it."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.archive import TickingClock, make_archive
from tests.simulator.pki import NOW, pki
from zdda.app import open_vault
from zdda.app_stopped import open_to_doubt
from zdda.fsck.store_check import StoreCheck
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectKind, ObjectName
from zdda.settings import Settings, load
from zdda.storage.object_record import ObjectRecord
from zdda.storage.slots import COPY, HEADER, SLOTS, decode_copy, encode_copy, slot_offset

PLACES = ("key-area-1", "key-area-2")
KINDS = (ObjectKind.AIP, ObjectKind.EVIDENCE_BATCH, ObjectKind.AMENDMENT)
Finding = dict[str, Any]


@dataclass(frozen=True)
class Archive:
    """A copy of a small archive, to be damaged. ``early``: the same archive before its last deposit and before the
    retention of everything was prolonged."""

    folder: Path
    early: Path

    @property
    def settings(self) -> Settings:
        return load(self.folder / "zdda.toml")

    def names(self, kind: ObjectKind) -> list[ObjectName]:
        return sorted((name for name in self.slots(PLACES[0]) if name.kind is kind), key=lambda name: str(name.package))

    def slots(self, place: str, of: Path | None = None) -> dict[ObjectName, int]:
        """Where records lie."""
        data = ((of or self.folder) / place / "segment-000000.slots").read_bytes()
        found = {}
        for slot in range(SLOTS):
            held = (decode_copy(data[(at := slot_offset(slot, copy)) : at + COPY]) for copy in (0, 1))
            _, body = max((each for each in held if each), default=(0, b""))
            if body:
                found[ObjectRecord.decode(body).name] = slot
        return found

    def record(self, name: ObjectName, place: str = PLACES[0]) -> ObjectRecord:
        slot = self.slots(place)[name]
        data = self.segment(place).read_bytes()
        copies = (decode_copy(data[(at := slot_offset(slot, copy)) : at + COPY]) for copy in (0, 1))
        return ObjectRecord.decode(max(each for each in copies if each)[1])

    def segment(self, place: str) -> Path:
        return self.folder / place / "segment-000000.slots"

    def blob(self, name: ObjectName) -> Path:
        digits = self.record(name).address.digest.hex()
        return self.folder / "store" / "objects" / digits[:2] / digits[2:4] / digits

    def write_slot(self, place: str, slot: int, copies: Iterable[bytes]) -> None:
        with self.segment(place).open("r+b") as file:
            for copy, data in enumerate(copies):
                file.seek(slot_offset(slot, copy))
                file.write(data)

    def write_record(self, place: str, name: ObjectName, record: ObjectRecord) -> None:
        """Puts any record where that of ``name`` lies, as whoever can write to the disk would."""
        data = encode_copy(1000, record.encode())
        self.write_slot(place, self.slots(place)[name], (data, data))

    def erase_record(self, name: ObjectName, places: Iterable[str] = PLACES) -> None:
        for place in places:
            self.write_slot(place, self.slots(place)[name], (bytes(COPY), bytes(COPY)))

    def change_blob(self, name: ObjectName, change: Callable[[bytes], bytes]) -> None:
        """Other bytes under the same name, with the same lock."""
        path = self.blob(name)
        status = path.stat()
        path.chmod(0o600)
        path.write_bytes(change(path.read_bytes()))
        path.chmod(0o400)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def findings(self) -> list[Finding]:
        with open_to_doubt(self.settings, self.folder) as stores:
            lines = list(StoreCheck(stores, pki().anchors, NOW).lines())
        assert lines[0]["format"] == "zdda-inventory/1"
        assert lines[-1]["type"] == "summary"
        found = [line for line in lines if line["type"] == "finding"]
        assert lines[-1]["clean"] is not bool(found)
        return found


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(archive, the same archive earlier). Three packages in two batches; the second batch covers an amendment."""
    folder = tmp_path_factory.mktemp("damage") / "archive"
    early = folder.with_name("early")
    archive = make_archive(folder)
    archive.deposit([b"first" * 1000, b"attachment"], {"externalId": {"producer": "kis", "id": "1"}}, "key-1")
    archive.deposit([b"second"])
    archive.settle()
    archive.close()
    shutil.copytree(folder, early)
    archive = make_archive(folder, clock=TickingClock(NOW + timedelta(minutes=1)))
    archive.deposit([b"third"])
    archive.settle()
    vault = archive.archive.vault
    for record in list(vault.store.records()):
        longer = record.prolonged(vault.generations, record.retain_until.replace(year=2060))
        for key_area in vault.key_areas:
            key_area.write(longer)
        vault.blobs.extend(record.address, longer.retain_until)
    archive.close()
    return folder, early


@pytest.fixture
def archive(original: tuple[Path, Path], tmp_path: Path) -> Archive:
    shutil.copytree(original[0], tmp_path / "archive")
    return Archive(tmp_path / "archive", original[1])


def named(findings: list[Finding]) -> set[tuple[str, str | None]]:
    return {(finding["code"], finding["package"]) for finding in findings}


def test_an_archive_left_alone_is_clean(archive: Archive) -> None:
    assert archive.findings() == []
    assert [len(archive.names(kind)) for kind in KINDS] == [3, 2, 2]


BLOBS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "flip the first byte": (lambda data: bytes([data[0] ^ 1]) + data[1:], "object-digest"),
    "flip in the middle": (lambda data: data[:500] + bytes([data[500] ^ 128]) + data[501:], "object-digest"),
    "truncate": (lambda data: data[:-1], "object-length"),
    "empty": (lambda _data: b"", "object-length"),
    "append": (lambda data: data + b"\0", "object-length"),
}


@pytest.mark.parametrize("damage", BLOBS)
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_object(archive: Archive, kind: ObjectKind, number: int, damage: str) -> None:
    name = archive.names(kind)[number]
    change, code = BLOBS[damage]
    archive.change_blob(name, change)
    assert (code, str(name.package)) in named(archive.findings())


@pytest.mark.parametrize("kind", KINDS)
def test_a_removed_object(archive: Archive, kind: ObjectKind) -> None:
    for name in archive.names(kind):
        archive.blob(name).unlink()
        assert ("object-missing", str(name.package)) in named(archive.findings())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_two_objects_swapped(archive: Archive, kind: ObjectKind, other: ObjectKind) -> None:
    one, two = archive.names(kind)[0], archive.names(other)[1]
    first, second = archive.blob(one).read_bytes(), archive.blob(two).read_bytes()
    archive.change_blob(one, lambda _: second)
    archive.change_blob(two, lambda _: first)
    assert named(archive.findings()) >= {("object-digest", str(one.package)), ("object-digest", str(two.package))}


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_moved_to_another_address(archive: Archive, kind: ObjectKind) -> None:
    name = archive.names(kind)[0]
    blob = archive.blob(name)
    blob.rename(blob.with_name("f" * 64))
    findings = archive.findings()
    assert named(findings) >= {("object-missing", str(name.package)), ("stray-file", None)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_put_back(archive: Archive, kind: ObjectKind) -> None:
    name = archive.names(kind)[0]
    early = (archive.early / archive.blob(name).relative_to(archive.folder)).stat()
    os.utime(archive.blob(name), ns=(early.st_atime_ns, early.st_mtime_ns))
    assert ("lock-too-short", str(name.package)) in named(archive.findings())


def test_an_object_without_record(archive: Archive) -> None:
    address = ContentAddress(bytes.fromhex("ab" * 32))
    folder = archive.folder / "store" / "objects" / "ab" / "ab"
    folder.mkdir(parents=True)
    (folder / address.digest.hex()).write_bytes(b"nobody's")
    (finding,) = archive.findings()
    assert (finding["code"], finding["where"]) == ("object-without-record", str(address))


@pytest.mark.parametrize("position", [0, 5, 13, 20, 500, COPY - 1])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_in_a_slot(archive: Archive, kind: ObjectKind, place: str, position: int) -> None:
    """In the copy that is the content, and in the older one."""
    name = archive.names(kind)[0]
    slot = archive.slots(place)[name]
    whole = archive.segment(place).read_bytes()
    for copy in (0, 1):
        data = bytearray(whole[slot_offset(slot, copy) : slot_offset(slot, copy) + COPY])
        data[position] ^= 4
        with archive.segment(place).open("r+b") as file:
            file.write(whole)
            file.seek(slot_offset(slot, copy))
            file.write(data)
        findings = [each for each in archive.findings() if each["code"] == "slot-damaged"]
        assert [each["package"] for each in findings] == [str(name.package)]
        assert findings[0]["where"] == f"{place}/segment-000000.slots[{slot}]{'AB'[copy]}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_slot_whose_copies_are_both_damaged(archive: Archive, kind: ObjectKind) -> None:
    name, place = archive.names(kind)[0], PLACES[0]
    slot = archive.slots(place)[name]
    archive.write_slot(place, slot, (b"\xff" * COPY, b"\xff" * COPY))
    findings = archive.findings()
    assert ("record-missing", str(name.package)) in named(findings)
    assert f"{place}/segment-000000.slots[{slot}]AB" in [each["where"] for each in findings]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_removed_record(archive: Archive, kind: ObjectKind, place: str) -> None:
    name = archive.names(kind)[0]
    archive.erase_record(name, [place])
    (finding,) = archive.findings()
    assert (finding["code"], finding["package"], finding["where"]) == ("record-missing", str(name.package), place)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("damage", ["truncated", "header", "removed", "folder removed"])
def test_a_damaged_segment(archive: Archive, place: str, damage: str) -> None:
    segment = archive.segment(place)
    if damage == "truncated":
        os.truncate(segment, HEADER + 100 * COPY)
    elif damage == "header":
        with segment.open("r+b") as file:
            file.write(b"X")
    elif damage == "removed":
        segment.unlink()
    else:
        shutil.rmtree(segment.parent)
    findings = archive.findings()
    if damage != "removed":
        assert "segment-damaged" in {each["code"] for each in findings}
        assert any(each["where"].startswith(f"{place}/") for each in findings if each["where"])
    if damage != "header":
        missing = {each["package"] for each in findings if each["code"] == "record-missing" and each["where"] == place}
        other = PLACES[1 - PLACES.index(place)]
        kept = set(archive.slots(place)) if damage == "truncated" else set()
        assert missing == {str(name.package) for name in archive.slots(other).keys() - kept}


@pytest.mark.parametrize("place", PLACES)
def test_a_place_is_restored_from_the_other(archive: Archive, place: str) -> None:
    """As docs/operations/recovery.md tells."""
    os.truncate(archive.segment(place), HEADER)
    assert archive.findings()
    shutil.rmtree(archive.folder / place)
    shutil.copytree(archive.folder / PLACES[1 - PLACES.index(place)], archive.folder / place)
    assert archive.findings() == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_record_put_back_in_one_place(archive: Archive, kind: ObjectKind, place: str) -> None:
    name = archive.names(kind)[0]
    put_back(archive, name, [place])
    assert named(archive.findings()) == {("records-differ", str(name.package))}


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_put_back_in_every_place(archive: Archive, kind: ObjectKind) -> None:
    name = archive.names(kind)[0]
    put_back(archive, name, PLACES)
    assert named(archive.findings()) == {("record-older-than-lock", str(name.package))}


@pytest.mark.parametrize("places", [PLACES[:1], PLACES[1:], PLACES])
@pytest.mark.parametrize("kind", KINDS)
def test_two_records_swapped(archive: Archive, kind: ObjectKind, places: tuple[str, ...]) -> None:
    """Each record tells the other's address, digest and key, in slots whose checksums are right."""
    one, two = archive.names(kind)[:2]
    first, second = archive.record(one), archive.record(two)
    for place in places:
        archive.write_record(place, one, replace(second, name=one))
        archive.write_record(place, two, replace(first, name=two))
    codes = {"record-forged", "record-retention-forged"}
    forged = {each["package"] for each in archive.findings() if each["code"] in codes}
    assert forged == {str(one.package), str(two.package)}


@pytest.mark.parametrize("kind", KINDS)
def test_one_record_over_another(archive: Archive, kind: ObjectKind) -> None:
    one, two = archive.names(kind)[:2]
    archive.write_record(PLACES[0], one, archive.record(two))
    assert named(archive.findings()) >= {("record-twice", str(two.package)), ("record-missing", str(one.package))}


@pytest.mark.parametrize("member", ["address", "length", "sha512", "key", "retain_until", "mac", "generation"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_forged_record(archive: Archive, kind: ObjectKind, member: str) -> None:
    name = archive.names(kind)[0]
    record = archive.record(name)
    forged = {
        "address": replace(record, address=archive.record(archive.names(kind)[1]).address),
        "length": replace(record, length=record.length + 1),
        "sha512": replace(record, sha512=bytes(64)),
        "key": replace(record, wrapped_data_key=record.wrapped_data_key[:-1] + b"\0"),
        "retain_until": replace(record, retain_until=NOW),
        "mac": replace(record, retention_mac=bytes(32)),
        "generation": replace(record, generation=2),
    }[member]
    for place in PLACES:
        archive.write_record(place, name, forged)
    codes = {each["code"] for each in archive.findings() if each["package"] == str(name.package)}
    assert codes & {"record-forged", "record-retention-forged", "generation-gone"}


def test_a_slot_that_holds_no_record(archive: Archive) -> None:
    name, place = archive.names(ObjectKind.AIP)[0], PLACES[1]
    slot = archive.slots(place)[name]
    archive.write_slot(place, slot, (encode_copy(1000, b"{}"), bytes(COPY)))
    assert named(archive.findings()) == {("record-malformed", None), ("record-missing", str(name.package))}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_package_vanishes_with_its_keys(archive: Archive, number: int) -> None:
    name = archive.names(ObjectKind.AIP)[number]
    vanish(archive, name)
    assert named(archive.findings()) == {("package-missing", str(name.package))}


@pytest.mark.parametrize("number", [0, 1])
def test_a_batch_vanishes_with_its_keys(archive: Archive, number: int) -> None:
    name = archive.names(ObjectKind.EVIDENCE_BATCH)[number]
    vanish(archive, name)
    findings = named(archive.findings())
    assert ("batch-missing", str(name.package)) in findings
    lost = [package for code, package in findings if code == "package-evidence-lost"]
    assert len(lost) == (2, 1)[number]


@pytest.mark.parametrize("number", [0, 1])
def test_an_amendment_vanishes_with_its_keys(archive: Archive, number: int) -> None:
    """Its batch and its packages are named: nothing else tells of it, but for the first the next batch's leaf."""
    name = archive.names(ObjectKind.AMENDMENT)[number]
    batches = archive.names(ObjectKind.EVIDENCE_BATCH)
    vanish(archive, name)
    findings = named(archive.findings())
    assert ("batch-without-amendment", str(batches[number].package)) in findings
    assert len([code for code, _ in findings if code == "package-without-amendment"]) == (2, 1)[number]
    assert (("leaf-without-owner", str(batches[1].package)) in findings) is (number == 0)


def test_a_package_and_its_amendment_vanish(archive: Archive) -> None:
    """Who holds the batch alone still sees that something is gone."""
    vanish(archive, archive.names(ObjectKind.AIP)[2])
    vanish(archive, archive.names(ObjectKind.AMENDMENT)[1])
    batch = archive.names(ObjectKind.EVIDENCE_BATCH)[1]
    assert ("leaf-without-owner", str(batch.package)) in named(archive.findings())


def test_key_and_object_put_back_together(archive: Archive) -> None:
    """Record, bytes and lock of another object of that name: the evidence does not prove it, the amendment knows."""
    name = archive.names(ObjectKind.AIP)[0]
    replace_object(archive, name, archive.names(ObjectKind.AIP)[1])
    codes = {each["code"] for each in archive.findings() if each["package"] == str(name.package)}
    assert codes >= {"package-of-another-name"}


@pytest.mark.parametrize("kind", [ObjectKind.EVIDENCE_BATCH, ObjectKind.AMENDMENT])
def test_a_batch_or_amendment_replaced_with_its_key(archive: Archive, kind: ObjectKind) -> None:
    """Someone who holds the generation keys encrypts another batch or amendment under this one's name."""
    one, two = archive.names(kind)
    replace_object(archive, one, two)
    codes = {each["code"] for each in archive.findings() if each["package"] == str(one.package)}
    assert codes & {"batch-of-another-name", "amendment-of-another-name"}


@pytest.mark.parametrize("content", [b"", b"{}", b"rubbish" * 1000])
@pytest.mark.parametrize("kind", KINDS)
def test_an_object_of_rubbish_under_its_right_key(archive: Archive, kind: ObjectKind, content: bytes) -> None:
    name = archive.names(kind)[0]
    replace_object(archive, name, content)
    assert str(name.package) in {each["package"] for each in archive.findings() if each["severity"] == "broken"}


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_that_do_not_decrypt_under_their_right_address(archive: Archive, kind: ObjectKind) -> None:
    """A record as the archive makes them, over bytes that its key never encrypted."""
    name = archive.names(kind)[0]
    old, rubbish = archive.blob(name), b"(" + bytes(5000)
    vault = open_vault(archive.settings, archive.folder)
    retain_until = vault.store.record(name).retain_until
    for key_area in vault.key_areas:
        key_area.destroy(name)
    address = ContentAddress(hashlib.sha256(rubbish).digest())
    digest = hashlib.sha512(rubbish).digest()
    record = vault.store.seal_record(name, address, len(rubbish), digest, bytes(32), retain_until)
    vault.store.put(record, lambda: io.BytesIO(rubbish))
    vault.close()
    old.unlink()
    assert ("object-undecryptable", str(name.package)) in named(archive.findings())


def test_the_marker_of_the_store(archive: Archive) -> None:
    marker = archive.folder / "store" / "zdda-store.json"
    marker.chmod(0o600)
    marker.write_bytes(marker.read_bytes().replace(b"simulated", b"another"))
    (finding,) = archive.findings()
    assert finding["code"] == "store-marker"
    marker.unlink()
    (finding,) = archive.findings()
    assert finding["code"] == "store-marker"
    assert not marker.exists()


def put_back(archive: Archive, name: ObjectName, places: Iterable[str]) -> None:
    """The slot as it was earlier."""
    for place in places:
        slot = archive.slots(place)[name]
        old = (archive.early / place / "segment-000000.slots").read_bytes()
        assert archive.slots(place, archive.early)[name] == slot
        archive.write_slot(place, slot, [old[slot_offset(slot, copy) :][:COPY] for copy in (0, 1)])


def vanish(archive: Archive, name: ObjectName) -> None:
    archive.blob(name).unlink()
    archive.erase_record(name)


def replace_object(archive: Archive, name: ObjectName, by: ObjectName | bytes) -> None:
    """Another content under this name, as well made as the archive itself would: record, key, lock."""
    old = archive.blob(name)
    vault = open_vault(archive.settings, archive.folder)
    try:
        if isinstance(by, ObjectName):
            with vault.store.open(by) as stream:
                by = stream.read()
        key = os.urandom(32)
        retain_until = vault.store.record(name).retain_until
        file = vault.spool.encrypting("replacement", key, name, os.urandom)
        file.write(by)
        _, stored = file.finish()
        address = ContentAddress(stored.sha256)
        record = vault.store.seal_record(name, address, stored.length, stored.sha512, key, retain_until)
        for key_area in vault.key_areas:
            key_area.destroy(name)
        vault.store.put(record, lambda: vault.spool.open("replacement"))
        old.unlink()
    finally:
        vault.close()

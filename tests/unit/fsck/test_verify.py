"""``verify``: proven only for what is whole, sealed, under evidence and under our anchors; every change is seen."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, cast

import pytest
import typer
from package_samples import PACKAGE, PDF
from package_signers import AT
from typer.testing import CliRunner
from verified_packages import Custodian, verified

from zdda.cli.verify import verify
from zdda.crypto.digests import digests_of
from zdda.evidence.hash_tree import group_digest
from zdda.fsck.custody import CheckName, CustodyReport, CustodyStatus, Outcome
from zdda.fsck.verify import verify_package
from zdda.model.errors import IntegrityError, Unavailable
from zdda.packaging.container_index import encode_index
from zdda.packaging.layout import CONTAINER_INDEX, FRONT
from zdda.packaging.manifest import ManifestEntry, encode_manifest
from zdda.packaging.seal import make_seal
from zdda.packaging.zip_container import Member, plan_member, write_container
from zdda.packaging.zip_structure import DEFLATED
from zdda.trust.anchors import TrustAnchors

OURS = Custodian(AT)
LATER = AT + timedelta(days=30)
CONTAINER, RECORD = OURS.package(
    OURS.inputs(contents=((PDF[:3000], "application/pdf", "a.pdf"), (b"line\n" * 2000, "text/plain", "b.txt")))
)
NOBODY = TrustAnchors(())


def outcome(report: CustodyReport, name: CheckName) -> set[Outcome]:
    return {check.outcome for check in report.checks if check.name is name}


def codes(report: CustodyReport) -> set[str | None]:
    return {check.code for check in report.checks if check.outcome is not Outcome.PASSED}


def test_a_whole_package_is_proven() -> None:
    report = verified(CONTAINER, RECORD, OURS.anchors, LATER)
    assert report.status is CustodyStatus.PROVEN, report.checks
    assert report.status.exit_code == 0
    assert [check.name for check in report.checks] == list(CheckName)
    assert (report.package, report.proven_at) == (PACKAGE, AT.replace(microsecond=0))
    assert [(each.number, each.verdict) for each in report.documents] == [(1, "TOTAL_PASSED"), (2, "NO_SIGNATURE")]
    with pytest.raises(TypeError):
        bool(report)


def test_it_is_still_proven_when_certificates_have_expired() -> None:
    """The evidence holds what is needed; nothing is asked of a network."""
    report = verified(CONTAINER, RECORD, OURS.anchors, AT + timedelta(days=3000))
    assert report.status is CustodyStatus.PROVEN, report.checks


def test_without_anchors_nothing_is_proven_and_nothing_broken() -> None:
    report = verified(CONTAINER, RECORD, NOBODY, LATER)
    assert report.status is CustodyStatus.NOT_PROVABLE
    assert report.status.exit_code == 2
    assert codes(report) == {"evidence-no-anchors", "seal-no-anchors"}
    assert report.proven_at is None


def test_without_evidence_nothing_is_proven() -> None:
    report = verified(CONTAINER, None, OURS.anchors, LATER)
    assert report.status is CustodyStatus.NOT_PROVABLE
    assert codes(report) == {"evidence-missing", "seal-time-unproven"}


def test_a_forger_with_a_perfect_structure() -> None:
    """Own CA, own timestamp authority, own seal: not provable to whoever has no anchors, broken to us."""
    container, record = Custodian(AT, seed=2).package()
    assert verified(container, record, NOBODY, LATER).status is CustodyStatus.NOT_PROVABLE
    for evidence in (record, None):
        report = verified(container, evidence, OURS.anchors, LATER)
        assert report.status is CustodyStatus.BROKEN
        assert "seal-untrusted" in codes(report)


def test_a_forger_cannot_use_our_evidence_or_our_seal_certificate() -> None:
    forger = Custodian(AT, seed=2)
    container, record = forger.package()
    assert verified(container, RECORD, OURS.anchors, LATER).status is CustodyStatus.BROKEN
    assert verified(CONTAINER, record, OURS.anchors, LATER).status is CustodyStatus.BROKEN
    both = TrustAnchors((*forger.anchors.certificates, *OURS.anchors.certificates))
    assert verified(CONTAINER, record, both, LATER).status is CustodyStatus.BROKEN


def test_a_seal_whose_certificate_was_revoked_before() -> None:
    custodian = Custodian(AT, seed=3, revoked=True)
    report = verified(*custodian.package(), custodian.anchors, LATER)
    assert report.status is CustodyStatus.BROKEN
    assert codes(report) == {"seal-untrusted"}


def test_a_seal_without_revocation_data() -> None:
    report = verified(*OURS.package(OURS.inputs(with_revocation=False)), OURS.anchors, LATER)
    assert report.status is CustodyStatus.NOT_PROVABLE
    assert codes(report) == {"seal-revocation-unknown"}


def test_stale_revocation_data_prove_nothing() -> None:
    custodian = Custodian(AT, seed=4)
    old = custodian.inputs()
    custodian.clock.move_to(AT + timedelta(days=3))
    inputs = replace(old, created_at=custodian.clock.now())
    report = verified(*custodian.package(inputs), custodian.anchors, LATER)
    assert report.status is CustodyStatus.NOT_PROVABLE
    assert codes(report) == {"seal-revocation-stale"}


def test_evidence_older_than_the_seal_is_refused() -> None:
    custodian = Custodian(AT, seed=5)
    inputs = replace(custodian.inputs(), created_at=AT + timedelta(days=3))
    report = verified(*custodian.package(inputs), custodian.anchors, LATER)
    assert report.status is CustodyStatus.BROKEN
    assert "seal-time" in codes(report)


def test_evidence_from_the_future_is_refused() -> None:
    assert verified(CONTAINER, RECORD, OURS.anchors, AT - timedelta(days=1)).status is CustodyStatus.BROKEN


def test_500_random_bytes() -> None:
    """One byte anywhere, any other value: never proven, never an error without a reason."""
    source = random.Random(4711)
    for _ in range(500):
        changed = bytearray(CONTAINER)
        position = source.randrange(len(changed))
        changed[position] ^= source.randrange(1, 256)
        report = verified(bytes(changed), RECORD, OURS.anchors, LATER)
        assert report.status is CustodyStatus.BROKEN, (position, report.checks)


def test_every_byte_of_the_structure_without_anchors() -> None:
    """Even with nobody to trust, a changed structure is seen: every byte of directory and headers."""
    with zipfile.ZipFile(io.BytesIO(CONTAINER)) as source:
        heads = [range(info.header_offset, info.header_offset + 30) for info in source.infolist()]
        positions = [*range(source.start_dir, len(CONTAINER)), *(each for head in heads for each in head)]
    for position in positions[::3]:
        changed = bytearray(CONTAINER)
        changed[position] ^= 1 << position % 8
        assert verified(bytes(changed), None, NOBODY, LATER).status is CustodyStatus.BROKEN, position


def test_random_bytes_of_the_evidence_record() -> None:
    source = random.Random(1)
    for _ in range(150):
        changed = bytearray(RECORD)
        changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
        report = verified(CONTAINER, bytes(changed), OURS.anchors, LATER)
        assert Outcome.NOT_CHECKED not in {check.outcome for check in report.checks}, report.checks
        if report.status is CustodyStatus.PROVEN:  # an unsigned part of the token that was not needed
            assert report.proven_at == AT.replace(microsecond=0)


Parts = list[tuple[str, bytes]]


def rebuilt(change: Callable[[Parts], Parts]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(CONTAINER)) as source:
        old = [(info.filename, source.read(info)) for info in source.infolist()]
        deflated = {info.filename for info in source.infolist() if info.compress_type == DEFLATED}
    planned = [plan_member(Member.of(name, data, name in deflated)) for name, data in change(old)]
    sink = io.BytesIO()
    write_container(planned, sink)
    return sink.getvalue()


with zipfile.ZipFile(io.BytesIO(CONTAINER)) as _source:
    NAMES = _source.namelist()


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_each_member_removed_added_renamed_changed_reordered(number: int) -> None:
    name = NAMES[number]
    other = (number + 1) % len(NAMES)

    def swapped(parts: Parts) -> Parts:
        parts[number], parts[other] = parts[other], parts[number]
        return parts

    for change in (
        lambda parts: [part for part in parts if part[0] != name],
        lambda parts: [*parts[: number + 1], (name + "0", b"more"), *parts[number + 1 :]],
        lambda parts: [(each + "0" if each == name else each, data) for each, data in parts],
        lambda parts: [(each, bytes([data[0] ^ 1]) + data[1:] if each == name else data) for each, data in parts],
        swapped,
    ):
        for anchors in (OURS.anchors, NOBODY):
            assert verified(rebuilt(change), RECORD, anchors, LATER).status is CustodyStatus.BROKEN
    assert verified(rebuilt(lambda parts: parts), RECORD, OURS.anchors, LATER).status is CustodyStatus.PROVEN


def test_a_changed_document_is_named() -> None:
    name = f"{PACKAGE}/representations/rep1/data/0001.pdf"
    container = rebuilt(lambda parts: [(each, data[::-1] if each == name else data) for each, data in parts])
    report = verified(container, RECORD, OURS.anchors, LATER)
    (found,) = [check for check in report.checks if check.name is CheckName.MANIFEST]
    assert (found.outcome, found.code, found.member) == (Outcome.FAILED, "member-damaged", name)


def resealed(change: Callable[[dict[str, bytes]], None], sealed_at: datetime = AT) -> tuple[bytes, bytes]:
    """What an insider with our sealing key and our timestamp authority can make."""
    with zipfile.ZipFile(io.BytesIO(CONTAINER)) as source:
        files = {info.filename: source.read(info) for info in source.infolist()[3:]}
        deflated = {info.filename for info in source.infolist() if info.compress_type == DEFLATED}
    change(files)
    planned = {name: plan_member(Member.of(name, data, name in deflated)) for name, data in files.items()}
    index_name = f"{PACKAGE}/{CONTAINER_INDEX}"
    index = {name.partition("/")[2]: each.segments for name, each in planned.items() if each.method == DEFLATED}
    if files[index_name].startswith(b"{"):
        planned[index_name] = plan_member(Member.of(index_name, encode_index(index)))
    entries = [ManifestEntry(name, "a/b", planned[name].member.sha256) for name in sorted(planned)]
    manifest = encode_manifest(entries)
    seal = make_seal(manifest, OURS.signer, sealed_at)
    front = [
        plan_member(Member.of(name, data))
        for name, data in zip(
            FRONT, (files.pop("mimetype", b"application/vnd.etsi.asic-e+zip"), manifest, seal), strict=True
        )
    ]
    sink = io.BytesIO()
    write_container([*front, *(planned[name] for name in sorted(planned))], sink)
    digests = [digests_of(manifest).sha256, digests_of(seal).sha256, *(each.sha256 for each in entries)]
    assert len(group_digest(digests)) == 32
    return sink.getvalue(), OURS.evidence(tuple(digests))


def replacing(ending: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        name = next(name for name in files if name.endswith(ending))
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return change


SHA256_OF_PDF = digests_of(PDF[:3000]).sha256.hex().encode()
SHA512_OF_PDF = digests_of(PDF[:3000]).sha512.hex().encode()


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (replacing("/METS.xml", b"urn:uuid:019aa0e5-7b1f", b"urn:uuid:019aa0e5-7b10"), CheckName.METS),
        (replacing("premis.xml", SHA512_OF_PDF, SHA512_OF_PDF[::-1]), CheckName.METS),
        (replacing("rep1/METS.xml", SHA256_OF_PDF, SHA256_OF_PDF[::-1]), CheckName.METS),
        (replacing("deposit.json", SHA256_OF_PDF, SHA256_OF_PDF[::-1]), CheckName.CONTAINER),
        (replacing("deposit.json", b'"packageId":"019aa0e5-7b1f', b'"packageId":"019aa0e5-7b10'), CheckName.CONTAINER),
        (replacing("deposit.json", b'"number":1', b'"number":3'), CheckName.CONTAINER),
        (replacing("deposit.json", b'"tenant":"hospital-one"', b'"tenant":"Hospital-one"'), CheckName.CONTAINER),
        (replacing("submission.json", b'"title"', b'"tidle"'), CheckName.CONTAINER),
        (replacing("container-index.json", b"{", b"["), CheckName.CONTAINER),
        (replacing("rep1/METS.xml", b"<mets", b"<!DOCTYPE mets><mets"), CheckName.CONTAINER),
        (replacing("rep1/METS.xml", b"</mets>", b""), CheckName.CONTAINER),
    ],
)
def test_contradictions_inside_a_resealed_package(change: Callable[[dict[str, bytes]], None], check: CheckName) -> None:
    """Seal and evidence are perfect; the package contradicts itself."""
    container, record = resealed(change)
    report = verified(container, record, OURS.anchors, LATER)
    assert report.status is CustodyStatus.BROKEN
    assert Outcome.FAILED in outcome(report, check), report.checks


def test_a_file_that_no_mets_lists() -> None:
    def change(files: dict[str, bytes]) -> None:
        files[f"{PACKAGE}/metadata/other/stowaway.json"] = b"{}"

    report = verified(*resealed(change), OURS.anchors, LATER)
    assert outcome(report, CheckName.METS) == {Outcome.FAILED}
    assert outcome(report, CheckName.MANIFEST) == {Outcome.PASSED}


def test_a_seal_of_another_time_than_the_record_tells() -> None:
    report = verified(*resealed(lambda files: None, AT - timedelta(hours=1)), OURS.anchors, LATER)
    assert codes(report) == {"seal-time", "depends"}
    assert report.status is CustodyStatus.BROKEN
    assert verified(*resealed(lambda files: None), OURS.anchors, LATER).status is CustodyStatus.PROVEN


def test_premis_alone_in_contradiction() -> None:
    """METS is made to agree with the changed PREMIS, so that only PREMIS itself is wrong."""

    def change(files: dict[str, bytes]) -> None:
        premis = next(name for name in files if name.endswith("premis.xml"))
        root = f"{PACKAGE}/METS.xml"
        before = digests_of(files[premis]).sha256.hex().encode()
        files[premis] = files[premis].replace(SHA512_OF_PDF, SHA512_OF_PDF[::-1])
        files[root] = files[root].replace(before, digests_of(files[premis]).sha256.hex().encode())

    # the index changes with PREMIS's deflate data, and METS lists the index
    container, record = resealed(change)
    report = verified(container, record, OURS.anchors, LATER)
    assert outcome(report, CheckName.PREMIS) == {Outcome.FAILED}, report.checks


class Failing(io.BytesIO):
    """A source that fails after some reads."""

    def __init__(self, error: Exception, after: int) -> None:
        super().__init__(CONTAINER)
        self._error, self._left = error, after

    def read(self, size: int | None = -1) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise self._error
        return super().read(size)


@pytest.mark.parametrize("after", [0, 3, 30, 40])
def test_what_cannot_be_read_is_not_checked(after: int) -> None:
    def status(error: Exception) -> CustodyStatus:
        source = cast(BinaryIO, Failing(error, after))
        return verify_package(source, RECORD, OURS.anchors, LATER).status

    assert status(OSError(5, "Input/output error")) is CustodyStatus.NOT_CHECKED
    assert status(Unavailable("away")) is CustodyStatus.NOT_CHECKED
    assert status(ZeroDivisionError()) is CustodyStatus.NOT_CHECKED
    assert status(IntegrityError("the ciphertext is not authentic")) is CustodyStatus.BROKEN


@pytest.mark.parametrize("data", [b"", b"PK", b"\x00" * 5000, CONTAINER[:-1], CONTAINER[:5000], CONTAINER + b"\x00"])
def test_rubbish_is_broken(data: bytes) -> None:
    assert verified(data, RECORD, OURS.anchors, LATER).status is CustodyStatus.BROKEN


@pytest.mark.parametrize(
    "record", [b"", b"\x30\x00", b"\x30\x80" * 100_000, b"x" * 1000, RECORD[:-1], RECORD + b"\x00"]
)
def test_rubbish_for_evidence_is_broken(record: bytes) -> None:
    report = verified(CONTAINER, record, OURS.anchors, LATER)
    assert report.status is CustodyStatus.BROKEN, report.checks


# --- the command


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "a.asice").write_bytes(CONTAINER)
    (tmp_path / "a.asice.ers").write_bytes(RECORD)
    (tmp_path / "root.der").write_bytes(OURS.anchors.certificates[0])
    (tmp_path / "root.pem").write_bytes(OURS.authority.root.chain_pem())
    return tmp_path


def run(*arguments: object) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(verify)
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("anchor", ["root.der", "root.pem"])
def test_the_command_proves(files: Path, anchor: str) -> None:
    code, output = run(files / "a.asice", "--trust-anchor", files / anchor, "--at", "2027-01-01T00:00:00Z")
    assert code == 0, output
    assert "PROVEN" in output
    assert "TOTAL_PASSED" in output


def test_the_command_speaks_json(files: Path) -> None:
    code, output = run(files / "a.asice", "--json", "--at", "2027-01-01T00:00:00Z")
    report = json.loads(output)
    assert (code, report["status"], report["packageId"]) == (2, "not-provable", str(PACKAGE))
    assert [each["sealedVerdict"] for each in report["documents"]] == ["TOTAL_PASSED", "NO_SIGNATURE"]


def test_the_command_says_what_is_broken(files: Path) -> None:
    (files / "a.asice").write_bytes(CONTAINER.replace(b"mimetype", b"mimetypf"))
    code, output = run(files / "a.asice", "--trust-anchor", files / "root.der")
    assert code == 1
    assert "BROKEN" in output


def test_the_command_cannot_check_what_is_not_there(files: Path) -> None:
    (files / "bad.der").write_bytes(b"no certificate")
    for arguments in (
        (files / "missing.asice",),
        (files,),
        (files / "a.asice", "--evidence-record", files / "missing.ers"),
        (files / "a.asice", "--trust-anchor", files / "missing.pem"),
        (files / "a.asice", "--trust-anchor", files / "bad.der"),
        (files / "a.asice", "--at", "yesterday"),
    ):
        assert run(*arguments)[0] == 3, arguments
        code, output = run(*arguments, "--json")
        assert (code, json.loads(output)["status"]) == (3, "not-checked")

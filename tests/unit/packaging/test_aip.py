"""Sealed packages: built as described, read strictly, and any change to one is seen."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO, cast
from uuid import UUID

import pytest
from package_samples import CONTENTS, FACTS, METADATA, PACKAGE, PDF, TEXT, built, described, inputs_of
from package_signers import AT, signer
from test_zip_container import Discard, Zeros

from zdda.model.submission import DocumentDescription
from zdda.packaging.aip import AipDocument, Compression, ValidationDatum, build_aip
from zdda.packaging.aip_reader import open_aip
from zdda.packaging.container_index import encode_index
from zdda.packaging.errors import (
    ContainerFormError,
    MemberDamaged,
    MemberMissing,
    MemberUnlisted,
    PackageError,
    SealBroken,
    UnsupportedPackage,
)
from zdda.packaging.fixity import check_manifest, check_mets, check_premis
from zdda.packaging.layout import CONTAINER_INDEX, FRONT
from zdda.packaging.manifest import decode_manifest
from zdda.packaging.zip_container import Member, plan_member, write_container
from zdda.packaging.zip_structure import DEFLATED, SEGMENT

DATA, BUILT = built()


def check_all(data: bytes) -> None:
    aip = open_aip(io.BytesIO(data))
    digests, errors = check_manifest(aip)
    if errors:
        raise errors[0]
    check_mets(aip, digests)
    check_premis(aip, digests)
    aip.check_seal()


def test_everything_comes_back() -> None:
    aip = open_aip(io.BytesIO(DATA))
    check_all(DATA)
    assert aip.package_id == PACKAGE
    assert aip.deposit.facts == FACTS
    assert aip.deposit.sealed_at == AT
    assert aip.metadata == METADATA
    assert [each.original_name for each in aip.documents] == [name for _, _, name in CONTENTS]
    assert [each.member for each in aip.documents] == [
        f"{PACKAGE}/representations/rep1/data/0001.pdf",
        f"{PACKAGE}/representations/rep1/data/0002.txt",
    ]
    assert [each.facts.verdict for each in aip.documents] == ["TOTAL_PASSED", "NO_SIGNATURE"]
    assert aip.documents[0].facts.puid == "fmt/276"
    assert aip.open_document(2).read() != b""
    assert b"".join(aip.stream(aip.documents[1].member)) == TEXT
    assert io.BufferedReader(aip.open_document(1)).read() == PDF
    assert aip.report(2)["document"] == 2
    assert sorted(aip.validation_data("ocsp")) == [b"ocsp"]
    assert list(aip.validation_data("certificate")) == list(signer().chain)
    assert aip.check_seal().certificate == signer().certificate
    assert aip.manifest_entry(aip.documents[0].member).media_type == "application/pdf"


def test_what_the_builder_tells_is_what_is_there() -> None:
    assert BUILT.length == len(DATA)
    with zipfile.ZipFile(io.BytesIO(DATA)) as foreign:
        found = [(name, hashlib.sha256(foreign.read(name)).digest()) for name in foreign.namelist()]
    assert found == list(BUILT.member_digests)
    listed = [entry.name for entry in decode_manifest(BUILT.manifest)]
    assert listed == [name for name, _ in found][3:]
    assert BUILT.group == tuple(digest for _, digest in found)[1:]
    assert open_aip(io.BytesIO(DATA)).group == BUILT.group


def test_same_inputs_same_bytes_but_the_seal() -> None:
    assert built()[0] == DATA  # this signer is deterministic
    other = open_aip(io.BytesIO(built(by=signer("p384"), inputs=inputs_of(by=signer()))[0]))
    assert other.check_seal().certificate != signer().certificate


def test_all_documents_can_be_compressed() -> None:
    data, facts = built(replace(inputs_of(), compression=Compression.ALL))
    check_all(data)
    assert facts.length < BUILT.length - len(PDF) // 2
    aip = open_aip(io.BytesIO(data))
    assert b"".join(aip.stream(aip.documents[0].member)) == PDF


def test_original_names_are_in_mets_and_premis_only() -> None:
    with zipfile.ZipFile(io.BytesIO(DATA)) as foreign:
        holders = [name.rpartition("/")[2] for name in foreign.namelist() if b"kone\xc4\x8dn" in foreign.read(name)]
    assert sorted(holders) == ["METS.xml", "premis.xml"]


def test_a_damaged_document_never_completes() -> None:
    position = DATA.index(PDF[1000:1100])
    aip = open_aip(io.BytesIO(DATA[:position] + bytes([DATA[position] ^ 1]) + DATA[position + 1 :]))
    given: list[bytes] = []
    with pytest.raises(MemberDamaged) as caught:
        given.extend(aip.stream(aip.documents[0].member))
    assert given == []
    assert caught.value.member == aip.documents[0].member


Parts = list[tuple[str, bytes]]


def rebuilt(change: Callable[[Parts], Parts]) -> bytes:
    """The container in perfectly canonical form again after a change, its index made to fit."""
    with zipfile.ZipFile(io.BytesIO(DATA)) as source:
        parts = change([(name, source.read(name)) for name in source.namelist()])
        deflated = {info.filename for info in source.infolist() if info.compress_type == zipfile.ZIP_DEFLATED}
    planned = [plan_member(Member.of(name, data, name in deflated)) for name, data in parts]
    index = {each.member.name.partition("/")[2]: each.segments for each in planned if each.method == DEFLATED}
    fresh = plan_member(Member.of(f"{PACKAGE}/{CONTAINER_INDEX}", encode_index(index)))
    same = (fresh.member.name, dict(BUILT.member_digests)[fresh.member.name])
    sink = io.BytesIO()
    write_container([fresh if (each.member.name, each.member.sha256) == same else each for each in planned], sink)
    return sink.getvalue()


NAMES = [name for name, _ in BUILT.member_digests]


def test_rebuilding_without_change_is_the_same() -> None:
    assert rebuilt(lambda parts: parts) == DATA


@pytest.mark.parametrize("name", NAMES)
def test_each_member_changed_removed_renamed(name: str) -> None:
    for change in (
        lambda parts: [(each, data[:-1] + bytes([data[-1] ^ 1]) if each == name else data) for each, data in parts],
        lambda parts: [(each, data) for each, data in parts if each != name],
        lambda parts: [(each + "x" if each == name else each, data) for each, data in parts],
        lambda parts: [(each, data + b"\n" if each == name else data) for each, data in parts],
    ):
        with pytest.raises(PackageError) as caught:
            check_all(rebuilt(change))
        assert caught.value.code


def test_reasons_name_the_member() -> None:
    document = f"{PACKAGE}/representations/rep1/data/0001.pdf"
    with pytest.raises(MemberMissing) as missing:
        check_all(rebuilt(lambda parts: [part for part in parts if part[0] != document]))
    assert missing.value.member == document
    extra = (f"{PACKAGE}/zzz", b"x")
    with pytest.raises(MemberUnlisted) as unlisted:
        check_all(rebuilt(lambda parts: [*parts, extra]))
    assert unlisted.value.member == extra[0]
    other = built(inputs=replace(inputs_of(), created_at=FACTS.received_at))[1].seal
    with pytest.raises(SealBroken):
        check_all(rebuilt(lambda parts: [(n, other if n == FRONT[2] else d) for n, d in parts]))
    for order in (
        lambda parts: [parts[1], parts[0], *parts[2:]],
        lambda parts: [*parts[:3], parts[4], parts[3], *parts[5:]],
        lambda parts: parts[:3] + parts[:2:-1],
    ):
        with pytest.raises(ContainerFormError):
            check_all(rebuilt(order))


def test_a_member_stored_where_it_was_deflated_is_another_form() -> None:
    name = next(name for name in NAMES if name.endswith("premis.xml"))
    with zipfile.ZipFile(io.BytesIO(DATA)) as source:
        planned = [
            plan_member(Member.of(i.filename, source.read(i), i.compress_type == DEFLATED and i.filename != name))
            for i in source.infolist()
        ]
    sink = io.BytesIO()
    write_container(planned, sink)
    with pytest.raises(ContainerFormError):
        check_all(sink.getvalue())


def test_a_package_in_another_folder_is_refused() -> None:
    other = "019aa0e5-7b1f-7c3a-8d2e-0123456789ac"
    with pytest.raises(PackageError):
        check_all(rebuilt(lambda parts: [(name.replace(str(PACKAGE), other), data) for name, data in parts]))
    with pytest.raises(PackageError):
        check_all(DATA.replace(str(PACKAGE).encode(), str(PACKAGE).upper().encode()))


def test_bad_inputs_make_no_package() -> None:
    inputs = inputs_of()
    documents = tuple(inputs.documents)
    for wrong in (
        replace(inputs, documents=()),
        replace(inputs, documents=documents[1:]),
        replace(inputs, validation_data=(ValidationDatum("letter", b"x"),)),
        replace(inputs, metadata=replace(METADATA, title="a\x00b")),
    ):
        with pytest.raises(UnsupportedPackage):
            build_aip(wrong, signer(), Discard())
    lying = AipDocument(documents[0].description, lambda: io.BytesIO(PDF[::-1]), b"{}", "NO_SIGNATURE")
    with pytest.raises(MemberDamaged):
        build_aip(replace(inputs, documents=(lying,)), signer(), Discard())


def test_a_document_larger_than_memory() -> None:
    """64 MiB stand for any size: the peak has nothing to do with it."""
    length = 64 * SEGMENT
    digests, checksum = (hashlib.sha256(), hashlib.sha512()), 0
    for _ in range(64):
        for digest in digests:
            digest.update(bytes(SEGMENT))
        checksum = zlib.crc32(bytes(SEGMENT), checksum)
    for media_type in ("application/pdf", "text/plain"):
        description = DocumentDescription(
            number=1,
            role="main",
            original_name="large",
            media_type=media_type,
            length=length,
            sha256=digests[0].digest(),
            sha512=digests[1].digest(),
            crc32=checksum,
        )
        document = AipDocument(description, lambda: cast(BinaryIO, Zeros(length)), b"{}", "NO_SIGNATURE")
        tracemalloc.start()
        build_aip(replace(inputs_of(), documents=(document,)), signer(), Discard())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 6 * SEGMENT


def test_reading_a_large_document_in_constant_memory(tmp_path: object) -> None:
    data = bytes(24 * SEGMENT)
    container, _ = built(inputs_of(((data, "application/pdf", "a.pdf"),)))
    expected = described(1, data, "application/pdf", "a.pdf").sha256
    tracemalloc.start()
    aip = open_aip(io.BytesIO(container))
    digest = hashlib.sha256()
    for piece in aip.stream(aip.documents[0].member):
        digest.update(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert digest.digest() == expected
    assert peak < 6 * SEGMENT


def test_validation_data_of_two_packages_are_the_same_bytes_in_both() -> None:
    """What is made of them is remembered; each package names it in its own folder."""
    rules = b'{"rules":"' + b"x" * 5000 + b'"}'
    data = [ValidationDatum("rules", rules), ValidationDatum("crl", b"0" * 10)]
    other = UUID(int=99)
    packages = {}
    for package in (PACKAGE, other):
        facts = replace(FACTS, package=package)
        content, told = built(replace(inputs_of(), facts=facts, validation_data=data))
        check_all(content)
        aip = open_aip(io.BytesIO(content))
        assert list(aip.validation_data("rules")) == [rules]
        assert list(aip.validation_data("crl")) == [b"0" * 10]
        packages[package] = {
            name.removeprefix(f"{package}/"): digest
            for name, digest in told.member_digests
            if "validation/data" in name
        }
    assert len(packages[PACKAGE]) == 2
    assert packages[PACKAGE] == packages[other]

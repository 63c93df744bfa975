"""Building a sealed AIP: an ASiC-E container that holds one E-ARK package, written as a stream.

Same inputs give the same bytes but for the seal (and what zlib makes of a member, which belongs to its version).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import BinaryIO

from zdda.crypto.signing import Signer
from zdda.model.canonical_json import canonical_json
from zdda.model.submission import DocumentDescription, SubmissionMetadata
from zdda.packaging.container_index import Segment, encode_index
from zdda.packaging.deposit_record import DepositFacts, DepositRecord, DocumentFacts, encode_deposit
from zdda.packaging.dublin_core import dublin_core
from zdda.packaging.errors import UnsupportedPackage
from zdda.packaging.layout import (
    CONTAINER_INDEX,
    DEPOSIT,
    DUBLIN_CORE,
    FRONT,
    MIMETYPE,
    PREMIS,
    REPRESENTATION_METS,
    ROOT_METS,
    SUBMISSION,
    VALIDATION_DATA_TYPES,
    document_path,
    report_path,
    validation_data_path,
)
from zdda.packaging.manifest import ManifestEntry, encode_manifest
from zdda.packaging.media_types import without_parameters, worth_deflating
from zdda.packaging.mets import MetsFile, Software, representation_mets, root_mets
from zdda.packaging.premis import premis
from zdda.packaging.premis_events import agents_of, events_of
from zdda.packaging.seal import make_seal
from zdda.packaging.submission import as_json
from zdda.packaging.zip_container import Member, PlannedMember, Sink, plan_member, write_container
from zdda.packaging.zip_structure import DEFLATED

MOST_DOCUMENTS = 9999
_PLANNED_ONCE = 64 * 1024
"""Validation data up to so many bytes are remembered with their stored form, the last 256 of them."""


@dataclass(frozen=True, slots=True)
class AipDocument:
    """One document. ``open`` gives its bytes from the start each time; ``report`` is the validation report, as a
    JSON value or as finished bytes; ``verdict`` the worst indication in it."""

    description: DocumentDescription
    open: Callable[[], BinaryIO]
    report: Mapping[str, object] | bytes
    verdict: str


@dataclass(frozen=True, slots=True)
class ValidationDatum:
    """A piece of validation data; ``role`` is ``certificate``, ``crl``, ``ocsp``, ``timestamp``, or ``rules``: the
    canonical JSON of a policy or algorithm catalogue, whose digest a report pins."""

    role: str
    data: bytes


class Compression(StrEnum):
    """Which documents are deflated where that is shorter: those of formats without compression of their own, or all."""

    FORMATS = "formats"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class AipInputs:
    """Everything that goes into a package; ``created_at`` is also the time in the seal.

    ``validation_data`` holds that of the documents *and* of the sealing certificate; repetitions are dropped.
    """

    facts: DepositFacts
    metadata: SubmissionMetadata
    documents: Sequence[AipDocument]
    validation_data: Sequence[ValidationDatum]
    software: Software
    created_at: datetime
    compression: Compression = Compression.FORMATS


@dataclass(frozen=True, slots=True)
class BuiltAip:
    """What was written. ``member_digests`` are (name, SHA-256) in the container's order; ``group`` the
    data-object digests of the evidence (RFC 4998 clause 4.2): manifest, seal, every file the manifest lists."""

    manifest: bytes
    seal: bytes
    member_digests: tuple[tuple[str, bytes], ...]
    group: tuple[bytes, ...]
    length: int


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the package, path relative to its folder, its stored form decided; and how METS tells it."""

    planned: PlannedMember
    listed: MetsFile


def build_aip(inputs: AipInputs, signer: Signer, sink: Sink) -> BuiltAip:
    """Writes the container into ``sink``, never seeking, and tells what it wrote.

    Raises :class:`UnsupportedPackage` for inputs that make no package, ``MemberDamaged`` where a document's stream
    does not give the bytes described, ``Unavailable`` where the signer is away; the sink's content is then waste.
    """
    _check(inputs)
    files = _PackageFiles(inputs, signer.certificate).all()
    names = sorted(file.planned.member.name for file in files)
    by_name = {file.planned.member.name: file for file in files}
    entries = [ManifestEntry(name, by_name[name].listed.media_type, by_name[name].listed.sha256) for name in names]
    manifest = encode_manifest(entries)
    seal = make_seal(manifest, signer, inputs.created_at)
    front = zip(FRONT, (MIMETYPE, manifest, seal), strict=True)
    members = [plan_member(Member.of(name, data)) for name, data in front]
    members += [by_name[name].planned for name in names]
    length = write_container(members, sink)
    return BuiltAip(
        manifest=manifest,
        seal=seal,
        member_digests=tuple((each.member.name, each.member.sha256) for each in members),
        group=group_of(manifest, seal, entries),
        length=length,
    )


def group_of(manifest: bytes, seal: bytes, entries: Sequence[ManifestEntry]) -> tuple[bytes, ...]:
    """The data-object digests of the evidence: manifest, seal, then the listed files in the manifest's order."""
    return (
        hashlib.sha256(manifest).digest(),
        hashlib.sha256(seal).digest(),
        *(each.sha256 for each in entries),
    )


def _check(inputs: AipInputs) -> None:
    if not 1 <= len(inputs.documents) <= MOST_DOCUMENTS:
        raise UnsupportedPackage("a package holds 1 to 9999 documents")
    if [each.description.number for each in inputs.documents] != list(range(1, len(inputs.documents) + 1)):
        raise UnsupportedPackage("documents are numbered from 1 without gaps")


class _PackageFiles:
    """Makes the files of the package folder, each once what it lists is there."""

    def __init__(self, inputs: AipInputs, certificate: bytes) -> None:
        self._inputs = inputs
        self._certificate = certificate
        self._folder = f"{inputs.facts.package}/"
        self._paths = [document_path(each.description.number, each.description.media_type) for each in inputs.documents]

    def all(self) -> list[_File]:
        inputs = self._inputs
        documents = [self._document(path, each) for path, each in zip(self._paths, inputs.documents, strict=True)]
        base = REPRESENTATION_METS.removesuffix(ROOT_METS)
        listed = [replace(file.listed, path=file.listed.path.removeprefix(base)) for file in documents]
        representation = self._made(
            REPRESENTATION_METS, "text/xml", representation_mets(inputs.created_at, inputs.software, listed)
        )
        descriptive = self._descriptive()
        administrative = [self._premis(), self._deposit(), *self._reports(), *self._validation_data()]
        files = [*documents, representation, *descriptive, *administrative]
        administrative.append(self._index(files))
        root = root_mets(
            inputs.facts.package,
            inputs.created_at,
            inputs.software,
            [file.listed for file in descriptive],
            [file.listed for file in administrative],
            representation.listed,
        )
        return [*files, administrative[-1], self._made(ROOT_METS, "text/xml", root, deflate=False)]

    def _made(
        self,
        path: str,
        media_type: str,
        data: bytes,
        kind: tuple[str, str | None, str | None] | None = None,
        deflate: bool = True,
    ) -> _File:
        """A file whole in memory; ``kind`` is METS's MDTYPE, MDTYPEVERSION, OTHERMDTYPE."""
        planned = plan_member(Member.of(self._folder + path, data, deflate))
        member = planned.member
        return _File(planned, MetsFile(path, media_type, member.length, member.sha256, *(kind or ())))

    def _document(self, path: str, document: AipDocument) -> _File:
        facts = document.description
        deflate = self._inputs.compression is Compression.ALL or worth_deflating(facts.media_type)
        name = self._folder + path
        member = Member(name, facts.length, facts.crc32, facts.sha256, document.open, deflate)
        media_type = without_parameters(facts.media_type)  # CSIP68
        listed = MetsFile(path, media_type, facts.length, facts.sha256, original_name=facts.original_name)
        return _File(plan_member(member), listed)

    def _descriptive(self) -> list[_File]:
        package, metadata = self._inputs.facts.package, self._inputs.metadata
        submission = canonical_json(as_json(metadata))
        return [
            self._made(DUBLIN_CORE, "text/xml", dublin_core(package, metadata), ("DC", "1.1", None)),
            self._made(SUBMISSION, "application/json", submission, _other("ZDDA-SUBMISSION")),
        ]

    def _premis(self) -> _File:
        inputs = self._inputs
        verdicts = [(path, each.verdict) for path, each in zip(self._paths, inputs.documents, strict=True)]
        described = [(path, each.description) for path, each in zip(self._paths, inputs.documents, strict=True)]
        events = events_of(inputs.facts, verdicts, inputs.software, inputs.created_at, self._certificate)
        agents = agents_of(inputs.facts, inputs.software, self._certificate)
        data = premis(inputs.facts.package, described, events, agents)
        return self._made(PREMIS, "text/xml", data, ("PREMIS", "3.0", None))

    def _deposit(self) -> _File:
        inputs = self._inputs
        documents = tuple(
            DocumentFacts(
                number=each.description.number,
                role=each.description.role,
                path=path,
                report=report_path(each.description.number),
                media_type=each.description.media_type,
                length=each.description.length,
                sha256=each.description.sha256,
                sha512=each.description.sha512,
                format_name=each.description.format_name,
                puid=each.description.puid,
                verdict=each.verdict,
            )
            for path, each in zip(self._paths, inputs.documents, strict=True)
        )
        software = f"{inputs.software.name} {inputs.software.version}"
        record = DepositRecord(inputs.facts, inputs.created_at, software, documents)
        return self._made(DEPOSIT, "application/json", encode_deposit(record), _other("ZDDA-DEPOSIT"))

    def _reports(self) -> list[_File]:
        files = []
        for each in self._inputs.documents:
            data = each.report if isinstance(each.report, bytes) else canonical_json(each.report)
            path = report_path(each.description.number)
            files.append(self._made(path, "application/json", data, _other("ZDDA-VALIDATION-REPORT")))
        return files

    def _validation_data(self) -> list[_File]:
        found: dict[str, tuple[str, bytes]] = {}
        for datum in self._inputs.validation_data:
            path = validation_data_path(datum.role, hashlib.sha256(datum.data).digest())
            found[path] = (VALIDATION_DATA_TYPES[datum.role], datum.data)
        return [self._datum(path, *found[path]) for path in sorted(found)]

    def _datum(self, path: str, media_type: str, data: bytes) -> _File:
        """Certificates, CRLs and rules are those of many packages: what is made of them is made once."""
        plan = _plan_again if len(data) <= _PLANNED_ONCE else _plan
        length, crc32, sha256, method, compressed, segments, kept = plan(data, worth_deflating(media_type))
        name = self._folder + path
        member = Member(name, length, crc32, sha256, lambda: io.BytesIO(data), method == DEFLATED, data)
        listed = MetsFile(path, media_type, length, sha256, *_other("ZDDA-VALIDATION-DATA"))
        return _File(PlannedMember(member, method, compressed, segments, kept), listed)

    def _index(self, files: Sequence[_File]) -> _File:
        index = {file.listed.path: file.planned.segments for file in files if file.planned.method == DEFLATED}
        kind = _other("ZDDA-CONTAINER-INDEX")
        return self._made(CONTAINER_INDEX, "application/json", encode_index(index), kind, deflate=False)


_Plan = tuple[int, int, bytes, int, int, tuple[Segment, ...], bytes | None]


def _plan(data: bytes, deflate: bool) -> _Plan:
    """(length, CRC-32, SHA-256, method, stored length, segments, deflate data)."""
    planned = plan_member(Member.of("datum", data, deflate))
    member = planned.member
    return (
        member.length,
        member.crc32,
        member.sha256,
        planned.method,
        planned.compressed,
        planned.segments,
        planned.kept,
    )


_plan_again = lru_cache(maxsize=256)(_plan)


def _other(kind: str) -> tuple[str, str | None, str | None]:
    return "OTHER", "1", kind

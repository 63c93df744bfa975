"""Reading a sealed AIP strictly: canonical container, manifest and layout first, each file against its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from uuid import UUID

from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.submission import SubmissionMetadata
from zdda.packaging import deposit_record, manifest, seal
from zdda.packaging.aip import group_of
from zdda.packaging.cms import SignedData
from zdda.packaging.container_index import LIMIT as INDEX_LIMIT
from zdda.packaging.container_index import decode_index
from zdda.packaging.deposit_record import DepositRecord, DocumentFacts, decode_deposit
from zdda.packaging.errors import (
    ContainerFormError,
    MemberDamaged,
    MemberMissing,
    MemberUnlisted,
    MetadataBroken,
)
from zdda.packaging.layout import (
    CONTAINER_INDEX,
    DEPOSIT,
    FRONT,
    MIMETYPE,
    MIMETYPE_NAME,
    REPRESENTATION_METS,
    ROOT_METS,
    STORED_ALWAYS,
    SUBMISSION,
    validation_data_path,
    validation_data_role,
)
from zdda.packaging.manifest import MANIFEST_NAME, SEAL_NAME, ManifestEntry, decode_manifest
from zdda.packaging.mets import read_mets
from zdda.packaging.seal import check_seal
from zdda.packaging.submission import MetadataInvalid, MetadataTooLarge, as_json, parse_submission_metadata
from zdda.packaging.zip_container import MemberStream, ZipReader
from zdda.packaging.zip_structure import DEFAULT_LIMITS, STORED, ContainerLimits

REPORT_LIMIT = 64 * 1024 * 1024
XML_LIMIT = 64 * 1024 * 1024
_DATUM_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ArchivedDocument:
    """A document of the package; ``member`` is its name in the container."""

    facts: DocumentFacts
    original_name: str
    member: str


class Aip:
    """An opened package. Structure, layout and the small records are checked when it is made; a file's content
    when it is read. Holds the source open for as long as it is used; one thread at a time."""

    def __init__(self, source: BinaryIO, limits: ContainerLimits = DEFAULT_LIMITS) -> None:
        """Raises a :class:`~zdda.packaging.errors.PackageError` that names the member at fault."""
        self.container = ZipReader(source, limits)
        names = self.container.names
        for name in FRONT:
            self.container.entry(name)
        if names[:3] != FRONT or list(names[3:]) != sorted(names[3:]):
            raise ContainerFormError("the members are not in the canonical order")
        for entry in self.container.entries[:3]:
            if entry.method != STORED:
                raise ContainerFormError("has to be stored", entry.name)
        if self.container.read(MIMETYPE_NAME, 100) != MIMETYPE:
            raise ContainerFormError("is not that of an ASiC-E container", MIMETYPE_NAME)
        self.manifest = self.container.read(MANIFEST_NAME, manifest.LIMIT)
        self.seal = self.container.read(SEAL_NAME, seal.LIMIT)
        self.entries = decode_manifest(self.manifest)
        self._digests = {entry.name: entry.sha256 for entry in self.entries}
        self._check_listing(names[3:])
        self.package_id = _package_id(names[3:])
        self._use_index()
        self.deposit: DepositRecord = decode_deposit(self.read(DEPOSIT, deposit_record.LIMIT), self.member(DEPOSIT))
        if self.deposit.facts.package != self.package_id:
            raise MetadataBroken("is about another package", self.member(DEPOSIT))
        self.metadata = self._submission()
        self.documents = self._documents()

    def _check_listing(self, names: tuple[str, ...]) -> None:
        for name in names:
            if name not in self._digests:
                raise MemberUnlisted("is not listed in the manifest", name)
        for name in self._digests:
            if name not in names:
                raise MemberMissing("is listed in the manifest and missing", name)

    def _use_index(self) -> None:
        for path in STORED_ALWAYS:
            if self.container.entry(self.member(path)).method != STORED:
                raise ContainerFormError("has to be stored", self.member(path))
        index = decode_index(self.read(CONTAINER_INDEX, INDEX_LIMIT), self.member(CONTAINER_INDEX))
        self.container.use_index({self.member(path): segments for path, segments in index.items()})

    def _submission(self) -> SubmissionMetadata:
        member = self.member(SUBMISSION)
        data = self.read(SUBMISSION, 2 * 1024 * 1024)
        try:
            metadata = parse_submission_metadata(data)
        except (MetadataInvalid, MetadataTooLarge):
            raise MetadataBroken("is not submission metadata", member) from None
        if canonical_json(as_json(metadata)) != data:
            raise MetadataBroken("is not in the canonical form", member)
        return metadata

    def _documents(self) -> tuple[ArchivedDocument, ...]:
        member = self.member(REPRESENTATION_METS)
        _, references = read_mets(self.read(REPRESENTATION_METS, XML_LIMIT), member)
        base = REPRESENTATION_METS.removesuffix(ROOT_METS)
        names = {base + each.path: each.original_name for each in references}
        found = []
        for number, facts in enumerate(self.deposit.documents, 1):
            name = names.get(facts.path)
            if facts.number != number or name is None:
                raise MetadataBroken("does not list the documents of the deposit record", member)
            self._check_document(facts)
            found.append(ArchivedDocument(facts, name, self.member(facts.path)))
        if not found or len(found) != len(references):
            raise MetadataBroken("does not list the documents of the deposit record", member)
        return tuple(found)

    def _check_document(self, facts: DocumentFacts) -> None:
        member = self.member(facts.path)
        entry = self.container.entry(member)
        self.container.entry(self.member(facts.report))
        if entry.length != facts.length or self._digests[member] != facts.sha256:
            raise MemberDamaged("is not what the deposit record tells", member)

    def member(self, path: str) -> str:
        """The name in the container of a path within the package folder."""
        return f"{self.package_id}/{path}"

    @property
    def group(self) -> tuple[bytes, ...]:
        """The data-object digests of the evidence, as the manifest tells them (RFC 4998 clause 4.2)."""
        return group_of(self.manifest, self.seal, self.entries)

    def check_seal(self) -> SignedData:
        """The seal's facts; raises ``SealMalformed`` or ``SealBroken``."""
        return check_seal(self.seal, self.manifest)

    def read(self, path: str, limit: int) -> bytes:
        """A file of the package folder, whole, checked against the manifest."""
        member = self.member(path)
        data = self.container.read(member, limit)
        if hashlib.sha256(data).digest() != self._digests.get(member):
            raise MemberDamaged("does not have the digest the manifest tells", member)
        return data

    def stream(self, member: str) -> Iterator[bytes]:
        """A file in pieces of at most 1 MiB; the last is given only once the digest has been found right.

        Raises ``MemberDamaged``, so that wrong bytes never complete.
        """
        digest = hashlib.sha256()
        held: bytes | None = None
        for data in self.container.segments(member):
            digest.update(data)
            if held is not None:
                yield held
            held = data
        if digest.digest() != self._digests.get(member):
            raise MemberDamaged("does not have the digest the manifest tells", member)
        if held is not None:
            yield held

    def open_document(self, number: int) -> MemberStream:
        """A seekable stream of document ``number`` (from 1); what it gives is not checked against the digest."""
        return self.container.open_member(self.documents[number - 1].member)

    def report(self, number: int) -> dict[str, object]:
        """The sealed validation report of document ``number`` (from 1) as a JSON value."""
        path = self.documents[number - 1].facts.report
        try:
            value = parse_json(self.read(path, REPORT_LIMIT), REPORT_LIMIT)
        except ValueError:
            raise MetadataBroken("is not JSON", self.member(path)) from None
        if not isinstance(value, dict):
            raise MetadataBroken("is not a JSON object", self.member(path))
        return value

    def validation_data(self, role: str) -> Iterator[bytes]:
        """Every piece of validation data of a role (``certificate``, ``crl``, ``ocsp``, ``timestamp``, ``rules``)."""
        prefix = f"{self.package_id}/"
        for entry in self.entries:
            path = entry.name.removeprefix(prefix)
            if validation_data_role(path) == role:
                yield self.read(path, _DATUM_LIMIT)

    def rules(self, sha256: str) -> bytes | None:
        """The policy or algorithm catalogue that a report pins by its digest in hexadecimal; None where it is not
        among the package's validation data. Raises ``MemberDamaged`` where what lies under that digest is another."""
        path = validation_data_path("rules", bytes.fromhex(sha256))
        if self.member(path) not in self._digests:
            return None
        data = self.read(path, _DATUM_LIMIT)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise MemberDamaged("is not what its name says", self.member(path))
        return data

    def manifest_entry(self, member: str) -> ManifestEntry:
        """Raises ``MemberMissing``."""
        for entry in self.entries:
            if entry.name == member:
                return entry
        raise MemberMissing("is not listed in the manifest", member)


def _package_id(names: tuple[str, ...]) -> UUID:
    folders = {name.partition("/")[0] for name in names}
    if len(folders) != 1:
        raise ContainerFormError("the container does not hold exactly one package folder")
    (folder,) = folders
    try:
        package = UUID(folder)
    except ValueError:
        package = None
    if package is None or str(package) != folder:
        raise ContainerFormError("the package folder is not named by a UUID")
    return package


def open_aip(source: BinaryIO, limits: ContainerLimits = DEFAULT_LIMITS) -> Aip:
    """Opens a container; raises a :class:`~zdda.packaging.errors.PackageError`."""
    return Aip(source, limits)

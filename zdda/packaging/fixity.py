"""Whether all that a package says of its own files is true: manifest, METS of both levels, PREMIS, deposit record."""

from __future__ import annotations

from collections.abc import Mapping

from zdda.crypto.digests import ContentDigests
from zdda.packaging.aip_reader import XML_LIMIT, Aip
from zdda.packaging.errors import MemberDamaged, MetadataBroken, PackageError
from zdda.packaging.layout import PREMIS, REPRESENTATION_METS, ROOT_METS
from zdda.packaging.mets import MetsReference, read_mets
from zdda.packaging.premis import read_premis

Digests = Mapping[str, ContentDigests]
"""Member's name → digests of its content as read."""


def check_manifest(aip: Aip) -> tuple[dict[str, ContentDigests], tuple[PackageError, ...]]:
    """Reads every member once, in constant memory: (digests found, one error for each that is not as listed)."""
    found: dict[str, ContentDigests] = {}
    errors: list[PackageError] = []
    for entry in aip.entries:
        try:
            found[entry.name] = aip.container.digests(entry.name)
        except PackageError as error:
            errors.append(error)
            continue
        if found[entry.name].sha256 != entry.sha256:
            errors.append(MemberDamaged("does not have the digest the manifest tells", entry.name))
    return found, tuple(errors)


def check_mets(aip: Aip, digests: Digests) -> None:
    """Every file is listed by exactly one METS, with its true length and SHA-256; raises ``MetadataBroken``."""
    root_name = aip.member(ROOT_METS)
    identifier, listed = read_mets(aip.read(ROOT_METS, XML_LIMIT), root_name)
    if identifier != f"urn:uuid:{aip.package_id}":
        raise MetadataBroken("is that of another package", root_name)
    _, documents = read_mets(aip.read(REPRESENTATION_METS, XML_LIMIT), aip.member(REPRESENTATION_METS))
    base = REPRESENTATION_METS.removesuffix(ROOT_METS)
    seen = {root_name}
    for prefix, source, references in (("", ROOT_METS, listed), (base, REPRESENTATION_METS, documents)):
        for reference in references:
            member = aip.member(prefix + reference.path)
            if member in seen:
                raise MetadataBroken("lists a file that is listed already", aip.member(source))
            seen.add(member)
            _compare(reference, digests.get(member), aip.member(source))
    if seen != set(digests):
        raise MetadataBroken("leaves files of the package unlisted", root_name)


def _compare(reference: MetsReference, found: ContentDigests | None, member: str) -> None:
    if found is None:
        raise MetadataBroken("lists a file that is not there", member)
    if (reference.length, reference.sha256) != (found.length, found.sha256):
        raise MetadataBroken("tells another length or digest of a file", member)


def check_premis(aip: Aip, digests: Digests) -> None:
    """PREMIS and the deposit record tell the true digests and the same names; raises ``MetadataBroken``."""
    member = aip.member(PREMIS)
    files = {each.path: each for each in read_premis(aip.read(PREMIS, XML_LIMIT), member)}
    if set(files) != {document.facts.path for document in aip.documents}:
        raise MetadataBroken("does not describe exactly the documents", member)
    for document in aip.documents:
        facts, found = document.facts, digests[document.member]
        described = files[facts.path]
        if described.digests != {"SHA-256": found.sha256, "SHA-512": found.sha512}:
            raise MetadataBroken("tells another digest of a document", member)
        if described.length != found.length or facts.sha512 != found.sha512:
            raise MetadataBroken("tells another length or digest of a document", member)
        if (described.original_name, described.puid) != (document.original_name, facts.puid):
            raise MetadataBroken("tells another name or format of a document", member)

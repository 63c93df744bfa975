"""METS 1.12 in the profile of E-ARK CSIP 2.2 and the E-ARK AIP specification: root and representation.

Written as one byte form; read leniently (any METS that points at files with digests), because packages of
later versions of this software have to verify too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lxml import etree

from zdda.model.clock import format_time
from zdda.packaging.errors import MetadataBroken
from zdda.packaging.xml_reader import parse_xml
from zdda.packaging.xml_writer import attribute, document, element

REPRESENTATION = "rep1"
ROOT_METS = "METS.xml"
REPRESENTATION_METS = f"representations/{REPRESENTATION}/METS.xml"

_PROFILE = "https://earkaip.dilcis.eu/profile/E-ARK-AIP-v2-2-0.xml"
_METS = "http://www.loc.gov/METS/"
_XLINK = "http://www.w3.org/1999/xlink"
_NAMESPACES = {
    "xmlns": _METS,
    "xmlns:csip": "https://DILCIS.eu/XML/METS/CSIPExtensionMETS",
    "xmlns:xlink": _XLINK,
}


@dataclass(frozen=True, slots=True)
class MetsFile:
    """A file to be listed: ``path`` relative to the METS document that lists it.

    ``kind`` is METS's MDTYPE for metadata (``other`` its OTHERMDTYPE); ``original_name`` the Producer's.
    """

    path: str
    media_type: str
    length: int
    sha256: bytes
    kind: str | None = None
    kind_version: str | None = None
    other: str | None = None
    original_name: str | None = None


@dataclass(frozen=True, slots=True)
class Software:
    """The software that made the package."""

    name: str
    version: str


def root_mets(
    package: UUID,
    created_at: datetime,
    software: Software,
    descriptive: Sequence[MetsFile],
    administrative: Sequence[MetsFile],
    representation: MetsFile,
) -> bytes:
    """The METS of the package: ``descriptive`` and ``administrative`` metadata, and the representation's METS."""
    created = format_time(created_at)
    dmd = [_section("dmdSec", f"ID-dmd-{number}", each, created) for number, each in enumerate(descriptive, 1)]
    amd = [_section("digiprovMD", f"ID-amd-{number}", each, created) for number, each in enumerate(administrative, 1)]
    label = f"Representations/{REPRESENTATION}"
    group = element(
        "fileGrp",
        {"ID": "ID-grp-rep1", "USE": label, "csip:CONTENTINFORMATIONTYPE": "MIXED"},
        [_file("ID-file-1", representation, created)],
    )
    pointer = element(
        "mptr",
        {
            "LOCTYPE": "URL",
            "xlink:type": "simple",
            "xlink:href": representation.path,
            "xlink:title": "ID-grp-rep1",
        },
    )
    metadata = {
        "ID": "ID-div-metadata",
        "LABEL": "Metadata",
        "DMDID": " ".join(f"ID-dmd-{number}" for number in range(1, len(dmd) + 1)),
        "ADMID": " ".join(f"ID-amd-{number}" for number in range(1, len(amd) + 1)),
    }
    division = element(
        "div",
        {"ID": "ID-div-root", "LABEL": f"urn:uuid:{package}"},
        [element("div", metadata), element("div", {"ID": "ID-div-rep1", "LABEL": label}, [pointer])],
    )
    return _mets(
        f"urn:uuid:{package}",
        _header(created, software),
        [
            *dmd,
            element("amdSec", {"ID": "ID-amd"}, amd),
            element("fileSec", {"ID": "ID-files"}, [group]),
            element("structMap", {"ID": "ID-struct", "TYPE": "PHYSICAL", "LABEL": "CSIP"}, [division]),
        ],
    )


def representation_mets(created_at: datetime, software: Software, documents: Sequence[MetsFile]) -> bytes:
    """The METS of the one representation: the documents as they were deposited."""
    created = format_time(created_at)
    files = [_file(f"ID-file-{number}", each, created) for number, each in enumerate(documents, 1)]
    group = element("fileGrp", {"ID": "ID-grp-data", "USE": "Data"}, files)
    data = element("div", {"ID": "ID-div-data", "LABEL": "Data"}, [element("fptr", {"FILEID": "ID-grp-data"})])
    division = element("div", {"ID": "ID-div-root", "TYPE": "ORIGINAL", "LABEL": REPRESENTATION}, [data])
    return _mets(
        REPRESENTATION,
        _header(created, software),
        [
            element("fileSec", {"ID": "ID-files"}, [group]),
            element("structMap", {"ID": "ID-struct", "TYPE": "PHYSICAL", "LABEL": "CSIP"}, [division]),
        ],
    )


def _mets(identifier: str, header: str, sections: Sequence[str]) -> bytes:
    attributes = {
        **_NAMESPACES,
        "OBJID": identifier,
        "TYPE": "Mixed",
        "PROFILE": _PROFILE,
        "csip:CONTENTINFORMATIONTYPE": "MIXED",
    }
    return document(element("mets", attributes, [header, *sections]))


def _header(created: str, software: Software) -> str:
    note = element("note", {"csip:NOTETYPE": "SOFTWARE VERSION"}, software.version)
    agent = element(
        "agent",
        {"ROLE": "CREATOR", "TYPE": "OTHER", "OTHERTYPE": "SOFTWARE"},
        [element("name", None, software.name), note],
    )
    attributes = {"CREATEDATE": created, "RECORDSTATUS": "NEW", "csip:OAISPACKAGETYPE": "AIP"}
    return element("metsHdr", attributes, [agent])


# Written as text, not as elements: a package lists its files several times over, and most of what is said of one needs
# no escaping.


def _section(name: str, identifier: str, file: MetsFile, created: str) -> str:
    start = f'<{name} ID="{identifier}" CREATED="{created}" STATUS="CURRENT">'
    return f"{start}\n{_reference(f'{identifier}-ref', file, created)}\n</{name}>"


def _facts(file: MetsFile, created: str) -> str:
    return (
        f'MIMETYPE="{attribute(file.media_type)}" SIZE="{file.length}" CREATED="{created}" '
        f'CHECKSUM="{file.sha256.hex()}" CHECKSUMTYPE="SHA-256"'
    )


def _reference(identifier: str, file: MetsFile, created: str) -> str:
    kind = "".join(
        f' {name}="{attribute(value)}"'
        for name, value in (("MDTYPE", file.kind), ("MDTYPEVERSION", file.kind_version), ("OTHERMDTYPE", file.other))
        if value is not None
    )
    location = f'ID="{identifier}" LOCTYPE="URL" xlink:type="simple" xlink:href="{attribute(file.path)}"'
    return f"<mdRef {location}{kind} {_facts(file, created)}/>"


def _file(identifier: str, file: MetsFile, created: str) -> str:
    title = "" if file.original_name is None else f' xlink:title="{attribute(file.original_name)}"'
    location = f'<FLocat LOCTYPE="URL" xlink:type="simple" xlink:href="{attribute(file.path)}"{title}/>'
    return f'<file ID="{identifier}" {_facts(file, created)}>\n{location}\n</file>'


@dataclass(frozen=True, slots=True)
class MetsReference:
    """A file that a METS points at: path relative to that METS, length, SHA-256, original name if given."""

    path: str
    length: int
    sha256: bytes
    original_name: str | None = None


def read_mets(data: bytes, member: str) -> tuple[str, tuple[MetsReference, ...]]:
    """(OBJID, every file pointed at by ``mdRef`` or ``FLocat``), in document order.

    Raises :class:`MetadataBroken` where a reference has no SHA-256, no size, or no plain path.
    """
    root = parse_xml(data, member)
    if root.tag != f"{{{_METS}}}mets":
        raise MetadataBroken("is not METS", member)
    found: list[MetsReference] = []
    for facts in root.iter(f"{{{_METS}}}mdRef", f"{{{_METS}}}file"):
        location = facts if facts.tag.endswith("mdRef") else facts.find(f"{{{_METS}}}FLocat")
        if location is None:
            raise MetadataBroken("lists a file without a location", member)
        found.append(_read_reference(facts, location, member))
    return root.get("OBJID", ""), tuple(found)


def _read_reference(facts: etree._Element, location: etree._Element, member: str) -> MetsReference:
    path, size = location.get(f"{{{_XLINK}}}href", ""), facts.get("SIZE", "")
    checksum = facts.get("CHECKSUM", "")
    if facts.get("CHECKSUMTYPE") != "SHA-256" or not re.fullmatch("[0-9A-Fa-f]{64}", checksum):
        raise MetadataBroken("lists a file without its SHA-256", member)
    if not re.fullmatch("[0-9]{1,16}", size) or not path or path.startswith("/") or ".." in path:
        raise MetadataBroken("lists a file without a size or a plain path", member)
    return MetsReference(path, int(size), bytes.fromhex(checksum), location.get(f"{{{_XLINK}}}title"))

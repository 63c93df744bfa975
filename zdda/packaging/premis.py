"""PREMIS 3.0: the package, its representation and documents as objects; reception, identification, validation
and sealing as events; software, depositing account and sealing certificate as agents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zdda.model.clock import format_time
from zdda.model.submission import DocumentDescription
from zdda.packaging.errors import MetadataBroken
from zdda.packaging.mets import REPRESENTATION, Software
from zdda.packaging.xml_reader import parse_xml
from zdda.packaging.xml_writer import document, element

_PREMIS = "http://www.loc.gov/premis/v3"
_EVENT_TYPES = "http://id.loc.gov/vocabulary/preservation/eventType"
_PRONOM = "http://www.nationalarchives.gov.uk/PRONOM"
_LOCAL = "local"


@dataclass(frozen=True, slots=True)
class PremisEvent:
    """``kind`` is a term of the Library of Congress vocabulary of event types; ``number`` its key there.

    ``objects`` are the paths of documents the event is about; none means the whole package.
    """

    kind: str
    at: datetime
    detail: str
    outcome: str
    agents: tuple[tuple[str, str], ...]
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PremisAgent:
    """``kind`` is ``software``, ``organization``, ``person`` or ``hardware``."""

    identifier_type: str
    identifier: str
    name: str
    kind: str
    version: str | None = None


def premis(
    package: UUID,
    documents: Sequence[tuple[str, DocumentDescription]],
    events: Sequence[PremisEvent],
    agents: Sequence[PremisAgent],
) -> bytes:
    """The whole PREMIS document; ``documents`` are pairs of path within the package and description."""
    objects = [_entity(package), _representation(package, [path for path, _ in documents])]
    objects += [_file(path, description) for path, description in documents]
    attributes = {
        "xmlns": _PREMIS,
        "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
        "version": "3.0",
    }
    body = [*objects, *(_event(package, number, each) for number, each in enumerate(events, 1))]
    return document(element("premis", attributes, [*body, *map(_agent, agents)]))


def software_agent(software: Software) -> PremisAgent:
    """The archive's own software as an agent."""
    return PremisAgent(_LOCAL, f"{software.name} {software.version}", software.name, "software", software.version)


def _identifier(kind: str, type_: str, value: str) -> str:
    return element(
        f"{kind}Identifier",
        None,
        [element(f"{kind}IdentifierType", None, type_), element(f"{kind}IdentifierValue", None, value)],
    )


def _linking(kind: str, type_: str, value: str, role: str | None = None) -> str:
    parts = [
        element(f"linking{kind}IdentifierType", None, type_),
        element(f"linking{kind}IdentifierValue", None, value),
    ]
    if role:
        parts.append(element(f"linking{kind}Role", None, role))
    return element(f"linking{kind}Identifier", None, parts)


def _entity(package: UUID) -> str:
    return element("object", {"xsi:type": "intellectualEntity"}, [_identifier("object", "URI", f"urn:uuid:{package}")])


def _relationship(sub_type: str, related: Sequence[tuple[str, str]]) -> str:
    parts = [element("relationshipType", None, "structural"), element("relationshipSubType", None, sub_type)]
    for type_, value in related:
        pair = [
            element("relatedObjectIdentifierType", None, type_),
            element("relatedObjectIdentifierValue", None, value),
        ]
        parts.append(element("relatedObjectIdentifier", None, pair))
    return element("relationship", None, parts)


def _representation(package: UUID, paths: Sequence[str]) -> str:
    parts = [
        _identifier("object", _LOCAL, f"representations/{REPRESENTATION}"),
        _relationship("represents", [("URI", f"urn:uuid:{package}")]),
        _relationship("has part", [(_LOCAL, path) for path in paths]),
    ]
    return element("object", {"xsi:type": "representation"}, parts)


def _file(path: str, description: DocumentDescription) -> str:
    fixity = [
        element(
            "fixity",
            None,
            [element("messageDigestAlgorithm", None, name), element("messageDigest", None, digest.hex())],
        )
        for name, digest in (("SHA-256", description.sha256), ("SHA-512", description.sha512))
    ]
    name = description.format_name or description.media_type
    form = [element("formatDesignation", None, [element("formatName", None, name)])]
    if description.puid:
        registry = [
            element("formatRegistryName", None, _PRONOM),
            element("formatRegistryKey", None, description.puid),
            element("formatRegistryRole", None, "specification"),
        ]
        form.append(element("formatRegistry", None, registry))
    characteristics = [
        element("compositionLevel", None, "0"),
        *fixity,
        element("size", None, str(description.length)),
        element("format", None, form),
    ]
    parts = [
        _identifier("object", _LOCAL, path),
        element("objectCharacteristics", None, characteristics),
        element("originalName", None, description.original_name),
    ]
    return element("object", {"xsi:type": "file"}, parts)


def _event(package: UUID, number: int, event: PremisEvent) -> str:
    outcome = element("eventOutcomeInformation", None, [element("eventOutcome", None, event.outcome)])
    parts = [
        _identifier("event", _LOCAL, f"event-{number}"),
        element("eventType", {"authority": "eventType", "authorityURI": _EVENT_TYPES}, event.kind),
        element("eventDateTime", None, format_time(event.at)),
        element("eventDetailInformation", None, [element("eventDetail", None, event.detail)]),
        outcome,
        *(_linking("Agent", type_, value) for type_, value in event.agents),
    ]
    if event.objects:
        parts += [_linking("Object", _LOCAL, path) for path in event.objects]
    else:
        parts.append(_linking("Object", "URI", f"urn:uuid:{package}"))
    return element("event", None, parts)


def _agent(agent: PremisAgent) -> str:
    parts = [
        _identifier("agent", agent.identifier_type, agent.identifier),
        element("agentName", None, agent.name),
        element("agentType", None, agent.kind),
    ]
    if agent.version:
        parts.append(element("agentVersion", None, agent.version))
    return element("agent", None, parts)


@dataclass(frozen=True, slots=True)
class PremisFile:
    """A file object as PREMIS tells it; digests by algorithm name."""

    path: str
    length: int
    digests: dict[str, bytes]
    original_name: str | None
    format_name: str | None
    puid: str | None


def read_premis(data: bytes, member: str) -> tuple[PremisFile, ...]:
    """Every object of type ``file``; raises :class:`MetadataBroken`."""
    root = parse_xml(data, member)
    if root.tag != f"{{{_PREMIS}}}premis":
        raise MetadataBroken("is not PREMIS", member)
    names = {"p": _PREMIS}
    files = []
    for found in root.iterfind("p:object", names):
        if found.get("{http://www.w3.org/2001/XMLSchema-instance}type", "").rpartition(":")[2] != "file":
            continue
        size = found.findtext("p:objectCharacteristics/p:size", "", names)
        digests = {}
        for fixity in found.iterfind("p:objectCharacteristics/p:fixity", names):
            digest = fixity.findtext("p:messageDigest", "", names)
            if not re.fullmatch("([0-9a-f]{2}){16,64}", digest):
                raise MetadataBroken("holds a digest that is none", member)
            digests[fixity.findtext("p:messageDigestAlgorithm", "", names)] = bytes.fromhex(digest)
        if not re.fullmatch("[0-9]{1,16}", size):
            raise MetadataBroken("holds a size that is none", member)
        form = "p:objectCharacteristics/p:format/"
        files.append(
            PremisFile(
                path=found.findtext("p:objectIdentifier/p:objectIdentifierValue", "", names),
                length=int(size),
                digests=digests,
                original_name=found.findtext("p:originalName", None, names),
                format_name=found.findtext(form + "p:formatDesignation/p:formatName", None, names),
                puid=found.findtext(form + "p:formatRegistry/p:formatRegistryKey", None, names),
            )
        )
    return tuple(files)

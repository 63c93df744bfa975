"""Descriptive metadata as unqualified Dublin Core, in the OAI container: what any catalogue understands.

Identifiers of the persons a record is about never stand here; they are in ``submission.json`` alone.
"""

from __future__ import annotations

from uuid import UUID

from zdda.model.submission import SubmissionMetadata
from zdda.packaging.xml_writer import document, element


def dublin_core(package: UUID, metadata: SubmissionMetadata) -> bytes:
    """Title, creator, date, type and identifiers of the deposit."""
    values: list[tuple[str, str | None]] = [
        ("title", metadata.title),
        ("creator", metadata.originator),
        ("date", metadata.created),
        ("type", metadata.document_type),
        ("identifier", f"urn:uuid:{package}"),
    ]
    if metadata.external_id:
        values.append(("identifier", f"{metadata.external_id.producer}:{metadata.external_id.id}"))
    attributes = {
        "xmlns:oai_dc": "http://www.openarchives.org/OAI/2.0/oai_dc/",
        "xmlns:dc": "http://purl.org/dc/elements/1.1/",
    }
    return document(
        element("oai_dc:dc", attributes, [element(f"dc:{name}", None, value) for name, value in values if value])
    )

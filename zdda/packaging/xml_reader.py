"""Reading XML that anybody may have written: no document type, no entities, no network, bounded size."""

from __future__ import annotations

from lxml import etree

from zdda.packaging.errors import MetadataBroken

LIMIT = 64 * 1024 * 1024


def parse_xml(data: bytes, member: str, limit: int = LIMIT) -> etree._Element:
    """The root element; raises :class:`MetadataBroken`.

    libxml2's own bounds on depth (256) and text length (10 MB) stay on.
    """
    if len(data) > limit:
        raise MetadataBroken("is longer than allowed", member)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise MetadataBroken("is not well-formed XML", member) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise MetadataBroken("holds a document type declaration", member)
    return root

"""The XML inside packages: the canonical writer, with a package's own error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from zdda.model import canonical_xml
from zdda.model.canonical_xml import DECLARATION, NotXmlText, document, is_xml_text
from zdda.packaging.errors import UnsupportedPackage

__all__ = ["DECLARATION", "attribute", "document", "element", "is_xml_text"]


def attribute(text: str) -> str:
    """See :func:`zdda.model.canonical_xml.attribute`; raises ``UnsupportedPackage`` for what XML cannot carry."""
    try:
        return canonical_xml.attribute(text)
    except NotXmlText as error:
        raise UnsupportedPackage(str(error)) from error


def element(
    name: str,
    attributes: Mapping[str, str | None] | None = None,
    content: str | Iterable[str] | None = None,
) -> str:
    """See :func:`zdda.model.canonical_xml.element`; raises ``UnsupportedPackage`` for what XML cannot carry."""
    try:
        return canonical_xml.element(name, attributes, content)
    except NotXmlText as error:
        raise UnsupportedPackage(str(error)) from error

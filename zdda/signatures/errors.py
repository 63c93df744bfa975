"""What an adapter raises when bytes are not what the format says."""

from __future__ import annotations

from zdda.model.errors import InvalidInput


class FormatError(InvalidInput):
    """The bytes do not conform to the format (EN 319 102-1 clause 5.2.2); the message names the rule broken."""

    code = "format"


class DocumentRefused(FormatError):
    """The document as a whole cannot be read, so nothing can be said of signatures it may carry."""

    code = "document-unreadable"

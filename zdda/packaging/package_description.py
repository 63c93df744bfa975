"""One digest over what a Producer says of a deposit: to compare descriptions without writing them down again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from zdda.model.canonical_json import canonical_json
from zdda.model.submission import SubmissionMetadata
from zdda.packaging.submission import as_json

FORMAT = "zdda-description/1"


def description_digest(metadata: SubmissionMetadata, names: Iterable[str], idempotency_key: str | None) -> bytes:
    """SHA-256 of canonical JSON: metadata, the documents' original names in order, idempotency key.

    All of it may be personal data, and short enough to be guessed from a digest: outside the keys' reach only an
    HMAC over it is shown (``GenerationKeys.content_id``).
    """
    content = {
        "format": FORMAT,
        "metadata": as_json(metadata),
        "names": list(names),
        "idempotencyKey": idempotency_key,
    }
    return hashlib.sha256(canonical_json(content)).digest()

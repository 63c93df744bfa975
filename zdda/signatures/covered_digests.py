"""The digests under which ``Timestamp.covers`` names what a signature or an older timestamp consists of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from zdda.signatures.model import Signature, Timestamp


def digests_of_signature(signature: Signature) -> Iterator[bytes]:
    """The signature, what it carries, its timestamps with what those carry, and its counter-signatures."""
    yield bytes.fromhex(signature.identifier)
    yield from digests_of_values((*signature.certificates, *signature.crls, *signature.ocsps))
    for timestamp in signature.timestamps:
        yield from digests_of_timestamp(timestamp)
    for counter in signature.counter_signatures:
        yield from digests_of_signature(counter)


def digests_of_timestamp(timestamp: Timestamp) -> Iterator[bytes]:
    """The timestamp and the certificates, CRLs and OCSP responses in its token."""
    yield bytes.fromhex(timestamp.identifier)
    if timestamp.token is not None:
        token = timestamp.token
        yield from digests_of_values((*token.certificates, *token.crls, *token.ocsps))


def digests_of_values(values: Iterable[bytes]) -> Iterator[bytes]:
    for value in values:
        yield hashlib.sha256(value).digest()

"""The seal of a package: CAdES-B-B, detached, over the ASiC manifest (EN 319 162-1 clause 4.4.3.2)."""

from __future__ import annotations

from datetime import datetime

from zdda.crypto.signing import Signer
from zdda.packaging.cms import SignedData, read, sign
from zdda.packaging.manifest import SEAL_NAME

LIMIT = 4 * 1024 * 1024


def make_seal(manifest: bytes, signer: Signer, at: datetime) -> bytes:
    """The DER of the seal; its signing-time is ``at``. Raises ``Unavailable`` where the signer is away."""
    return sign(manifest, signer, at, attached=False)


def check_seal(p7s: bytes, manifest: bytes) -> SignedData:
    """The seal's cryptographic facts and certificates; whether anybody trusts them is not judged here.

    Raises :class:`~zdda.packaging.errors.SealMalformed` or :class:`~zdda.packaging.errors.SealBroken`.
    """
    return read(p7s, manifest, SEAL_NAME, LIMIT)

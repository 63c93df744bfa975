"""Certificates, CRLs and OCSP answers share one frame: what is signed, with which algorithm, the value.

Verdicts are remembered per process under (digest of the structure, digest of the key): in an archive most
documents share their authorities.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

from zdda.signatures.der import children, read
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import SignatureAlgorithm, algorithm_of, new_digest, verify_digest

_BIT_STRING = 0x03
_REMEMBERED = 16384


@dataclass(frozen=True, slots=True)
class SignedStructure:
    """``SEQUENCE { toBeSigned, AlgorithmIdentifier, BIT STRING, … }`` taken apart."""

    signed: bytes
    algorithm: SignatureAlgorithm
    value: bytes


def split_signed(der: bytes) -> SignedStructure:
    """Raises ``FormatError`` where the bytes have not that frame."""
    _, start, end, _ = read(der)
    parts = [part for _, part in zip(range(3), children(der, start, end), strict=False)]
    if len(parts) < 3 or parts[2][0] != _BIT_STRING:
        raise FormatError("a signed structure lacks its signature")
    _, value_start, value_end, _ = read(der, parts[2][1], parts[2][2])
    algorithm = algorithm_of(der[parts[1][1] : parts[1][2]], None)
    return SignedStructure(der[parts[0][1] : parts[0][2]], algorithm, der[value_start + 1 : value_end])


_verdicts: OrderedDict[tuple[bytes, bytes], bool] = OrderedDict()
_lock = Lock()


def is_signed_by(der: bytes, digest: bytes, public_key: Any, public_key_info: bytes) -> bool:
    """Whether the structure's signature verifies with the key. ``digest`` is the SHA-256 of ``der``,
    ``public_key_info`` the DER SubjectPublicKeyInfo of ``public_key``."""
    name = (digest, hashlib.sha256(public_key_info).digest())
    with _lock:
        if name in _verdicts:
            _verdicts.move_to_end(name)
            return _verdicts[name]
    try:
        structure = split_signed(der)
        message_digest = b""
        if structure.algorithm.hash and structure.algorithm.hash != "shake256":
            value = new_digest(structure.algorithm.hash)
            value.update(structure.signed)
            message_digest = value.digest()
    except FormatError:
        return False
    verdict = verify_digest(public_key, structure.algorithm, message_digest, structure.value, structure.signed)
    with _lock:
        _verdicts[name] = verdict
        if len(_verdicts) > _REMEMBERED:
            _verdicts.popitem(last=False)
    return verdict

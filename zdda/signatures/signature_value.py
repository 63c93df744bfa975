"""Algorithm identifiers of signatures and digests, and the one place where a signature value is verified."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from asn1crypto import algos, core
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa, utils

from zdda.signatures import der as tlv
from zdda.signatures.errors import FormatError

DIGESTS = {
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.7": "sha3_224",
    "2.16.840.1.101.3.4.2.8": "sha3_256",
    "2.16.840.1.101.3.4.2.9": "sha3_384",
    "2.16.840.1.101.3.4.2.10": "sha3_512",
    "1.3.36.3.2.1": "ripemd160",
}
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),  # noqa: S303 - verification only; the algorithm catalogue decides its worth
    "sha1": hashes.SHA1(),  # noqa: S303
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha3_224": hashes.SHA3_224(),
    "sha3_256": hashes.SHA3_256(),
    "sha3_384": hashes.SHA3_384(),
    "sha3_512": hashes.SHA3_512(),
}
RSA, PSS, ECDSA, DSA, PLAIN_ECDSA = "rsassa_pkcs1v15", "rsassa_pss", "ecdsa", "dsa", "plain_ecdsa"
ED25519, ED448 = "ed25519", "ed448"
# identifier → (mechanism, hash or None where the digest algorithm of the message says it)
_SIGNATURES: dict[str, tuple[str, str | None]] = {
    "1.2.840.113549.1.1.1": (RSA, None),
    "1.2.840.113549.1.1.4": (RSA, "md5"),
    "1.2.840.113549.1.1.5": (RSA, "sha1"),
    "1.3.14.3.2.29": (RSA, "sha1"),
    "1.2.840.113549.1.1.14": (RSA, "sha224"),
    "1.2.840.113549.1.1.11": (RSA, "sha256"),
    "1.2.840.113549.1.1.12": (RSA, "sha384"),
    "1.2.840.113549.1.1.13": (RSA, "sha512"),
    "2.16.840.1.101.3.4.3.13": (RSA, "sha3_224"),
    "2.16.840.1.101.3.4.3.14": (RSA, "sha3_256"),
    "2.16.840.1.101.3.4.3.15": (RSA, "sha3_384"),
    "2.16.840.1.101.3.4.3.16": (RSA, "sha3_512"),
    "1.2.840.10045.2.1": (ECDSA, None),
    "1.2.840.10045.4.1": (ECDSA, "sha1"),
    "1.2.840.10045.4.3.1": (ECDSA, "sha224"),
    "1.2.840.10045.4.3.2": (ECDSA, "sha256"),
    "1.2.840.10045.4.3.3": (ECDSA, "sha384"),
    "1.2.840.10045.4.3.4": (ECDSA, "sha512"),
    "2.16.840.1.101.3.4.3.9": (ECDSA, "sha3_224"),
    "2.16.840.1.101.3.4.3.10": (ECDSA, "sha3_256"),
    "2.16.840.1.101.3.4.3.11": (ECDSA, "sha3_384"),
    "2.16.840.1.101.3.4.3.12": (ECDSA, "sha3_512"),
    "0.4.0.127.0.7.1.1.4.1.1": (PLAIN_ECDSA, "sha1"),
    "0.4.0.127.0.7.1.1.4.1.2": (PLAIN_ECDSA, "sha224"),
    "0.4.0.127.0.7.1.1.4.1.3": (PLAIN_ECDSA, "sha256"),
    "0.4.0.127.0.7.1.1.4.1.4": (PLAIN_ECDSA, "sha384"),
    "0.4.0.127.0.7.1.1.4.1.5": (PLAIN_ECDSA, "sha512"),
    "1.2.840.10040.4.1": (DSA, None),
    "1.2.840.10040.4.3": (DSA, "sha1"),
    "2.16.840.1.101.3.4.3.1": (DSA, "sha224"),
    "2.16.840.1.101.3.4.3.2": (DSA, "sha256"),
    "2.16.840.1.101.3.4.3.3": (DSA, "sha384"),
    "2.16.840.1.101.3.4.3.4": (DSA, "sha512"),
    "1.3.101.112": (ED25519, "sha512"),
    "1.3.101.113": (ED448, "shake256"),
}
_PSS = "1.2.840.113549.1.1.10"


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """``mechanism`` is one of this module's constants, or ``unknown``; ``mask_hash`` and ``salt_length`` are
    of RSASSA-PSS (RFC 8017)."""

    mechanism: str
    hash: str | None
    mask_hash: str | None = None
    salt_length: int | None = None


def digest_name(oid: str) -> str:
    """The digest's name as ``hashlib`` has it; raises ``FormatError`` for an unknown identifier."""
    name = DIGESTS.get(oid) or _SIGNATURES.get(oid, ("", None))[1]
    if name is None:
        raise FormatError(f"unknown digest algorithm {oid}")
    return name


def new_digest(name: str) -> Any:
    """A ``hashlib`` object; raises ``FormatError`` where the platform has no such digest."""
    try:
        return hashlib.new(name, usedforsecurity=False)
    except ValueError as error:
        raise FormatError(f"digest algorithm {name} is not available") from error


def signature_algorithm(oid: str, parameters: bytes | None, digest: str | None) -> SignatureAlgorithm:
    """Reads an AlgorithmIdentifier; ``digest`` is the digest algorithm named beside it (RFC 5652 clause 5.3)."""
    if oid == _PSS:
        try:
            pss = algos.RSASSAPSSParams.load(parameters) if parameters else algos.RSASSAPSSParams({})
            mask = pss["mask_gen_algorithm"]["parameters"]["algorithm"].dotted
            return SignatureAlgorithm(
                PSS,
                digest_name(pss["hash_algorithm"]["algorithm"].dotted),
                digest_name(mask),
                int(pss["salt_length"].native),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise FormatError("RSASSA-PSS parameters cannot be read") from error
    mechanism, name = _SIGNATURES.get(oid, ("unknown", None))
    return SignatureAlgorithm(mechanism, name or digest)


def algorithm_of(identifier: bytes, digest: str | None) -> SignatureAlgorithm:
    """Reads the DER of an AlgorithmIdentifier; see ``signature_algorithm``."""
    _, start, end, _ = tlv.read(identifier)
    parts = list(tlv.children(identifier, start, end, 2))
    if not parts or parts[0][0] != tlv.OBJECT_IDENTIFIER:
        raise FormatError("an AlgorithmIdentifier lacks its identifier")
    oid = dotted(identifier[parts[0][1] : parts[0][2]])
    parameters = identifier[parts[1][1] : parts[1][2]] if len(parts) > 1 and parts[1][0] != 0x05 else None
    return signature_algorithm(oid, parameters, digest)


@lru_cache(maxsize=256)
def dotted(encoded: bytes) -> str:
    """An object identifier's DER in dotted form. Raises ``FormatError``."""
    try:
        return str(core.ObjectIdentifier.load(encoded).dotted)
    except ValueError as error:
        raise FormatError("an object identifier cannot be read") from error


def verify_digest(
    public_key: Any, algorithm: SignatureAlgorithm, digest: bytes, signature: bytes, message: bytes | None = None
) -> bool:
    """Whether ``signature`` is of the data whose digest is given; ``message`` is needed by EdDSA only.

    A key of another kind, an unknown mechanism or a wrong length answers False.
    """
    try:
        if algorithm.mechanism in (ED25519, ED448):
            kind = ed25519.Ed25519PublicKey if algorithm.mechanism == ED25519 else ed448.Ed448PublicKey
            if message is None or not isinstance(public_key, kind):
                return False
            public_key.verify(signature, message)
            return True
        if algorithm.hash not in _HASHES:
            return False
        hash_algorithm = _HASHES[algorithm.hash]
        prehashed = utils.Prehashed(hash_algorithm)
        if algorithm.mechanism == RSA and isinstance(public_key, rsa.RSAPublicKey):
            try:
                public_key.verify(signature, digest, padding.PKCS1v15(), prehashed)
            except InvalidSignature:
                return _without_parameters(public_key, algorithm.hash, digest, signature)
        elif algorithm.mechanism == PSS and isinstance(public_key, rsa.RSAPublicKey):
            mask = _HASHES[algorithm.mask_hash or algorithm.hash]
            pss = padding.PSS(padding.MGF1(mask), algorithm.salt_length or 0)
            public_key.verify(signature, digest, pss, prehashed)
        elif algorithm.mechanism == ECDSA and isinstance(public_key, ec.EllipticCurvePublicKey):
            public_key.verify(signature, digest, ec.ECDSA(prehashed))
        elif algorithm.mechanism == PLAIN_ECDSA and isinstance(public_key, ec.EllipticCurvePublicKey):
            half = len(signature) // 2
            r, s = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
            public_key.verify(utils.encode_dss_signature(r, s), digest, ec.ECDSA(prehashed))
        elif algorithm.mechanism == DSA and isinstance(public_key, dsa.DSAPublicKey):
            public_key.verify(signature, digest, prehashed)
        else:
            return False
    except (InvalidSignature, ValueError, UnsupportedAlgorithm, KeyError):
        return False
    return True


def _without_parameters(public_key: rsa.RSAPublicKey, name: str | None, digest: bytes, signature: bytes) -> bool:
    """Whether the value holds a DigestInfo whose algorithm has no parameters: RFC 5754 clause 2 has absent and NULL
    parameters accepted alike. The recovered bytes are compared whole, so nothing is left open to a forger."""
    oid = next((dotted for dotted, known in DIGESTS.items() if known == name), None)
    if oid is None:
        return False
    identifier = tlv.encode(tlv.SEQUENCE, core.ObjectIdentifier(oid).dump())
    expected = tlv.encode(tlv.SEQUENCE, identifier + tlv.encode(tlv.OCTET_STRING, digest))
    recovered = public_key.recover_data_from_signature(signature, padding.PKCS1v15(), None)
    return hmac.compare_digest(recovered, expected)

"""CMS SignedData (RFC 5652) in the one DER form that seals and amendments have: CAdES-B-B (EN 319 122-1 clause 6).

One signer named by issuer and serial number; signed attributes content-type, message-digest, signing-time,
signing-certificate-v2 (RFC 5035, SHA-256); certificates of signer and issuers. A reader rebuilds the DER
from what it understood and refuses any other bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from asn1crypto import cms as asn1_cms

from zdda.crypto.signing import Signer
from zdda.packaging.errors import SealBroken, SealMalformed, UnsupportedPackage
from zdda.signatures.certificates import load_certificate
from zdda.signatures.der import OCTET_STRING, SEQUENCE, SET, encode
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import SignatureAlgorithm, verify_digest

_INTEGER, _OID, _NULL, _UTC_TIME, _GENERALIZED_TIME = 0x02, 0x06, b"\x05\x00", 0x17, 0x18


def _oid(hexadecimal: str) -> bytes:
    return encode(_OID, bytes.fromhex(hexadecimal))


_DATA = _oid("2a864886f70d010701")
_SIGNED_DATA = _oid("2a864886f70d010702")
_CONTENT_TYPE = _oid("2a864886f70d010903")
_MESSAGE_DIGEST = _oid("2a864886f70d010904")
_SIGNING_TIME = _oid("2a864886f70d010905")
_SIGNING_CERTIFICATE_V2 = _oid("2a864886f70d010910022f")
_TIME_STAMP_TOKEN = _oid("2a864886f70d010910020e")
_PSS = _oid("2a864886f70d01010a")
_MGF1 = _oid("2a864886f70d010108")
_DIGESTS = {
    "sha256": _oid("608648016503040201"),
    "sha384": _oid("608648016503040202"),
    "sha512": _oid("608648016503040203"),
}
_RSA = {"sha256": "0b", "sha384": "0c", "sha512": "0d"}
_ECDSA = {"sha256": "02", "sha384": "03", "sha512": "04"}
_SALT = {"sha256": 32, "sha384": 48, "sha512": 64}


@dataclass(frozen=True, slots=True)
class SignedData:
    """What a seal or amendment says of its making; cryptographically intact, trusted by nobody yet.

    ``content`` is ``None`` for a detached signature; ``certificates`` holds all of them (DER), the
    signer's included; ``timestamps`` the RFC 3161 tokens over the signature value (none at level B-B).
    """

    content: bytes | None
    signing_time: datetime
    certificate: bytes
    certificates: tuple[bytes, ...]
    digest_algorithm: str
    signature_algorithm: str
    signature: bytes
    message_digest: bytes
    timestamps: tuple[bytes, ...] = ()


def sign(content: bytes, signer: Signer, at: datetime, attached: bool) -> bytes:
    """The DER of a ContentInfo. ``at`` becomes the signing-time, to the second below."""
    if at.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    if signer.digest_algorithm not in _DIGESTS:
        raise UnsupportedPackage("a seal is made with SHA-256, SHA-384 or SHA-512")
    unsigned = SignedData(
        content=content if attached else None,
        signing_time=at.astimezone(UTC).replace(microsecond=0),
        certificate=signer.certificate,
        certificates=tuple(sorted({signer.certificate, *signer.chain})),
        digest_algorithm=signer.digest_algorithm,
        signature_algorithm=signer.signature_algorithm,
        signature=b"",
        message_digest=hashlib.new(signer.digest_algorithm, content).digest(),
    )
    return _assemble(replace(unsigned, signature=signer.sign(_signed_attributes(unsigned))))


def _sequence(*parts: bytes) -> bytes:
    return encode(SEQUENCE, b"".join(parts))


def _set(parts: Iterable[bytes]) -> bytes:
    return encode(SET, b"".join(sorted(parts)))


def _integer(value: int) -> bytes:
    return encode(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _time(moment: datetime) -> bytes:
    """RFC 5652 clause 11.3: UTCTime through 2049."""
    if moment.year < 2050:
        return encode(_UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode("ascii"))
    return encode(_GENERALIZED_TIME, moment.strftime("%Y%m%d%H%M%SZ").encode("ascii"))


def _signed_attributes(facts: SignedData) -> bytes:
    """The SET OF attributes as it is signed (RFC 5652 clause 5.4)."""
    certificate = load_certificate(facts.certificate)
    issuer_serial = _sequence(_sequence(encode(0xA4, certificate.issuer)), _integer(certificate.serial))
    certificate_id = _sequence(encode(OCTET_STRING, certificate.sha256), issuer_serial)
    attributes = (
        (_CONTENT_TYPE, _DATA),
        (_MESSAGE_DIGEST, encode(OCTET_STRING, facts.message_digest)),
        (_SIGNING_TIME, _time(facts.signing_time)),
        (_SIGNING_CERTIFICATE_V2, _sequence(_sequence(certificate_id))),
    )
    return _set(_sequence(kind, encode(SET, value)) for kind, value in attributes)


def _signature_algorithm(name: str, digest: str) -> bytes:
    if name == "ecdsa":
        return _sequence(_oid("2a8648ce3d0403" + _ECDSA[digest]))
    if name == "rsassa_pkcs1v15":
        return _sequence(_oid("2a864886f70d0101" + _RSA[digest]), _NULL)
    if name == "rsassa_pss":
        hash_algorithm = _sequence(_DIGESTS[digest])
        mask = encode(0xA1, _sequence(_MGF1, hash_algorithm))
        return _sequence(_PSS, _sequence(encode(0xA0, hash_algorithm), mask, encode(0xA2, _integer(_SALT[digest]))))
    raise UnsupportedPackage("a seal is made with ECDSA or RSA")


def _assemble(facts: SignedData) -> bytes:
    certificate = load_certificate(facts.certificate)
    digest_algorithm = _sequence(_DIGESTS[facts.digest_algorithm])
    attributes = _signed_attributes(facts)
    unsigned = b""
    if facts.timestamps:
        unsigned = encode(0xA1, _sequence(_TIME_STAMP_TOKEN, _set(facts.timestamps)))
    signer_info = _sequence(
        _integer(1),
        _sequence(certificate.issuer, _integer(certificate.serial)),
        digest_algorithm,
        b"\xa0" + attributes[1:],
        _signature_algorithm(facts.signature_algorithm, facts.digest_algorithm),
        encode(OCTET_STRING, facts.signature),
        unsigned,
    )
    content = b"" if facts.content is None else encode(0xA0, encode(OCTET_STRING, facts.content))
    signed_data = _sequence(
        _integer(1),
        encode(SET, digest_algorithm),
        _sequence(_DATA, content),
        encode(0xA0, b"".join(sorted(facts.certificates))),
        encode(SET, signer_info),
    )
    return _sequence(_SIGNED_DATA, encode(0xA0, signed_data))


def read(der: bytes, detached: bytes | None, member: str, limit: int) -> SignedData:
    """Reads what :func:`sign` made and checks digest, signing certificate and signature value.

    ``detached`` is the signed content of a detached signature, ``None`` for an attached one. Raises
    :class:`SealMalformed` or :class:`SealBroken`, both naming ``member``.
    """
    if len(der) > limit:
        raise SealMalformed("is longer than allowed", member)
    try:
        facts = _parse(der)
        canonical = _assemble(facts) == der
    except (FormatError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise SealMalformed("is not a CAdES signature", member) from None
    if not canonical:
        raise SealMalformed("is not in the canonical form", member)
    content = facts.content if detached is None else detached
    if content is None or (detached is not None and facts.content is not None):
        raise SealMalformed("is attached where it has to be detached, or the other way round", member)
    if hashlib.new(facts.digest_algorithm, content).digest() != facts.message_digest:
        raise SealBroken("signs other content", member)
    algorithm = SignatureAlgorithm(
        facts.signature_algorithm,
        facts.digest_algorithm,
        facts.digest_algorithm if facts.signature_algorithm == "rsassa_pss" else None,
        _SALT[facts.digest_algorithm] if facts.signature_algorithm == "rsassa_pss" else None,
    )
    signed = _signed_attributes(facts)
    digest = hashlib.new(facts.digest_algorithm, signed).digest()
    key = load_certificate(facts.certificate).public_key
    if not verify_digest(key, algorithm, digest, facts.signature, signed):
        raise SealBroken("has a signature value that does not fit", member)
    return facts


def _parse(der: bytes) -> SignedData:
    """Takes out what :func:`_assemble` needs; anything else shows when the result is compared."""
    info = asn1_cms.ContentInfo.load(der, strict=True)
    signed = info["content"]
    (signer_info,) = signed["signer_infos"]
    certificates = tuple(item.chosen.dump() for item in signed["certificates"])
    attributes: dict[str, Any] = {item["type"].native: item["values"] for item in signer_info["signed_attrs"]}
    sid = signer_info["sid"].chosen
    certificate = _find(certificates, sid["issuer"].dump(), sid["serial_number"].native)
    content = signed["encap_content_info"]["content"]
    unsigned: Sequence[Any] = () if signer_info["unsigned_attrs"].native is None else signer_info["unsigned_attrs"]
    return SignedData(
        content=content.native,
        signing_time=attributes["signing_time"][0].native,
        certificate=certificate,
        certificates=certificates,
        digest_algorithm=signer_info["digest_algorithm"]["algorithm"].native,
        signature_algorithm=signer_info["signature_algorithm"].signature_algo,
        signature=signer_info["signature"].native,
        message_digest=attributes["message_digest"][0].native,
        timestamps=tuple(token.dump() for attribute in unsigned for token in attribute["values"]),
    )


def _find(certificates: Sequence[bytes], issuer: bytes, serial: int) -> bytes:
    (found,) = (
        der
        for der in certificates
        if (certificate := load_certificate(der)).issuer == issuer and certificate.serial == serial
    )
    return found

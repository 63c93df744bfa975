"""CMS written by hand, byte for byte: what ordinary libraries refuse to write is what an adapter must stand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

from asn1crypto import core
from asn1crypto import x509 as asn1_x509

from tests.unit.validation.laboratory import SIGNED, Member, sign_bytes
from zdda.signatures import cms
from zdda.signatures.der import children, encode, read

SHA256 = "2.16.840.1.101.3.4.2.1"
ECDSA_SHA256 = "1.2.840.10045.4.3.2"
OCSP_INFORMATION = "1.3.6.1.5.5.7.16.2"


def oid(dotted: str) -> bytes:
    return bytes(core.ObjectIdentifier(dotted).dump())


def octets(data: bytes) -> bytes:
    return encode(0x04, data)


def algorithm(dotted: str, parameters: bytes = b"") -> bytes:
    return encode(0x30, oid(dotted) + parameters)


def attribute(kind: str, *values: bytes) -> bytes:
    return encode(0x30, oid(kind) + encode(0x31, b"".join(sorted(values))))


def time(moment: datetime) -> bytes:
    return encode(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())


def reference(member: Member, digest: str = "sha256") -> bytes:
    """signing-certificate-v2 naming the member by SHA-256 (its default, so no algorithm)."""
    named = encode(0x30, octets(hashlib.new(digest, member.der).digest()))
    return attribute(cms.SIGNING_CERTIFICATE_V2, encode(0x30, encode(0x30, named)))


def signed_attributes(
    member: Member, digest: bytes, content_type: str | None = cms.DATA, moment: datetime = SIGNED
) -> list[bytes]:
    """content-type (None: of a counter-signature, which has none), message-digest, signing-time, certificate."""
    first = [attribute(cms.CONTENT_TYPE, oid(content_type))] if content_type is not None else []
    return [
        *first,
        attribute(cms.MESSAGE_DIGEST, octets(digest)),
        attribute(cms.SIGNING_TIME, time(moment)),
        reference(member),
    ]


def signer_info(
    member: Member,
    attributes: Sequence[bytes] | None,
    *,
    content: bytes = b"",
    unsigned: Callable[[bytes], Sequence[bytes]] = lambda value: (),
    digest: str = SHA256,
    signature: str | bytes = ECDSA_SHA256,
    sign: Callable[[bytes], bytes] | None = None,
    shuffled: bool = False,
) -> bytes:
    """``unsigned``: from the signature value to unsigned attributes. ``shuffled``: sent in another order than DER.
    Without attributes the value is over ``content``."""
    make = sign or (lambda data: sign_bytes(member.name, data))
    ordered = sorted(attributes or ())
    value = make(encode(0x31, b"".join(ordered)) if attributes is not None else content)
    certificate = asn1_x509.Certificate.load(member.der)
    sid = encode(0x30, certificate.issuer.dump() + core.Integer(member.serial).dump())
    sent = list(reversed(ordered)) if shuffled else ordered
    parts = [b"\x02\x01\x01", sid, algorithm(digest)]
    if attributes is not None:
        parts.append(encode(0xA0, b"".join(sent)))
    parts += [signature if isinstance(signature, bytes) else algorithm(signature), octets(value)]
    extra = list(unsigned(value))
    if extra:
        parts.append(encode(0xA1, b"".join(extra)))
    return encode(0x30, b"".join(parts))


def signed_data(
    signers: Sequence[bytes],
    content: bytes | None,
    certificates: Sequence[bytes] = (),
    crls: Sequence[bytes] = (),
    ocsps: Sequence[bytes] = (),
    content_type: str = cms.DATA,
    write: Callable[[int, bytes], bytes] = encode,
    write_content: Callable[[bytes], bytes] = octets,
) -> bytes:
    """``write``: how constructed values of the frame are written (BER has another way)."""
    inner = write(0xA0, write_content(content)) if content is not None else b""
    parts = [b"\x02\x01\x05", encode(0x31, algorithm(SHA256)), write(0x30, oid(content_type) + inner)]
    if certificates:
        parts.append(write(0xA0, b"".join(certificates)))
    others = [encode(0xA1, oid(OCSP_INFORMATION) + answer) for answer in ocsps]
    if crls or others:
        parts.append(write(0xA1, b"".join([*crls, *others])))
    parts.append(write(0x31, b"".join(signers)))
    return write(0x30, oid(cms.SIGNED_DATA) + write(0xA0, write(0x30, b"".join(parts))))


def indefinite(tag: int, contents: bytes) -> bytes:
    """X.690 clause 8.1.3.6."""
    return bytes((tag, 0x80)) + contents + b"\x00\x00"


def in_segments(content: bytes, size: int = 3) -> bytes:
    """An OCTET STRING in the constructed form (X.690 clause 8.7.3)."""
    pieces = [octets(content[start : start + size]) for start in range(0, len(content), size)]
    return indefinite(0x24, b"".join(pieces))


def with_unsigned(token: bytes, *attributes: bytes) -> bytes:
    """The same token with unsigned attributes of its signer, which its signature is not over."""

    def rebuild(data: bytes, path: Sequence[int]) -> bytes:
        tag, start, end, _ = read(data)
        if not path:
            return encode(tag, data[start:end] + encode(0xA1, b"".join(attributes)))
        members = [data[first:last] for _, first, last in children(data, start, end)]
        members[path[0]] = rebuild(members[path[0]], path[1:])
        return encode(tag, b"".join(members))

    # ContentInfo / [0] / SignedData / signerInfos (the last member) / SignerInfo
    return rebuild(token, (1, 0, -1, 0))

"""Plain SignedData (RFC 5652) taken apart by its lengths alone, several times faster than by asn1crypto.

Plain is DER of the shape nearly everyone writes: definite and shortest lengths, X.509 certificates and CRLs and nothing
else in their sets, one content in one piece, algorithms without odd parameters. Anything else is left to asn1crypto;
what is taken here it would give alike (a test compares).
"""

from __future__ import annotations

# The registries of asn1crypto grow on import: tsp before anything is asked of them.
from asn1crypto import cms, tsp  # noqa: F401

from zdda.signatures import der as tlv
from zdda.signatures.cms_model import Attributes, CertificateReference, Signer
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import DIGESTS, DSA, PSS, digest_name, dotted, signature_algorithm

_ELEMENTS = 1000
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_TST_INFO = "1.2.840.113549.1.9.16.1.4"
# Types whose content asn1crypto reads at once, and refuses where it cannot.
_READ_AT_ONCE = frozenset(cms.ContentType(name).dotted for name in cms.EncapsulatedContentInfo._oid_specs)
_NULL = b"\x05\x00"
_INTEGER, _OCTETS, _OID, _SEQUENCE, _SET = 0x02, 0x04, 0x06, 0x30, 0x31

Item = tuple[int, int, int, int]
"""Tag, where it begins, where its contents begin and end."""


class NotPlain(Exception):
    """asn1crypto has to read it."""


PlainSignedData = tuple[int, str, bytes | None, list[bytes], list[bytes], tuple[Signer, ...]]
"""Version, content type, content, certificates, CRLs, signers."""


def plain_signed_data(data: bytes) -> PlainSignedData:
    """Reads a ContentInfo with a plain SignedData; bytes after it are ignored. Raises ``NotPlain``."""
    try:
        return _content_info(data)
    except (IndexError, ValueError, FormatError, TypeError, KeyError) as error:
        raise NotPlain from error


def plain_references(value: bytes, algorithms_named: bool) -> tuple[CertificateReference, ...]:
    """The entries of a signing-certificate attribute (RFC 5035), of version 2 where ``algorithms_named``. Raises
    ``NotPlain``."""
    try:
        (whole,) = plain_items(value, 0, len(value))
        certificates, *policies = plain_items(value, whole[2], whole[3], 2)
        if whole[0] != _SEQUENCE or certificates[0] != _SEQUENCE or (policies and policies[0][0] != _SEQUENCE):
            raise NotPlain
        found = plain_items(value, certificates[2], certificates[3])
        return tuple([_reference(value, item, algorithms_named) for item in found])
    except (IndexError, ValueError, FormatError, TypeError) as error:
        raise NotPlain from error


def _reference(data: bytes, item: Item, algorithms_named: bool) -> CertificateReference:
    parts = plain_items(data, item[2], item[3])
    if item[0] != _SEQUENCE:
        raise NotPlain
    algorithm = "sha256" if algorithms_named else "sha1"
    if algorithms_named and parts[0][0] == _SEQUENCE:
        kind, parameters = _algorithm(data, parts.pop(0))
        if parameters is not None:
            raise NotPlain
        algorithm = digest_name(kind)
    digest = parts.pop(0)
    if digest[0] != _OCTETS or len(parts) > 1:
        raise NotPlain
    issuer = serial = None
    if parts:
        names, number = _exactly(data, parts[0], _SEQUENCE, _SEQUENCE, _INTEGER)
        (name,) = plain_items(data, names[2], names[3])
        (inner,) = plain_items(data, name[2], name[3])
        if name[0] != 0xA4 or inner[0] != _SEQUENCE:
            raise NotPlain
        issuer, serial = data[inner[1] : inner[3]], _integer(data, number)
    return CertificateReference(algorithm, data[digest[2] : digest[3]], issuer, serial)


def plain_items(data: bytes, start: int, end: int, limit: int = _ELEMENTS) -> list[Item]:
    """What stands one after another from ``start`` to ``end``. Raises ``NotPlain``, or ``IndexError`` where a header
    ends with the data."""
    found: list[Item] = []
    while start < end:
        tag, length, body = data[start], data[start + 1], start + 2
        if tag & 0x1F == 0x1F:
            raise NotPlain
        if length >= 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[body : body + count])
            if not 1 <= count <= 4 or length < (0x80 if count == 1 else 1 << 8 * (count - 1)):
                raise NotPlain
            body += count
        stop = body + length
        if stop > end or len(found) == limit:
            raise NotPlain
        found.append((tag, start, body, stop))
        start = stop
    return found


def _content_info(data: bytes) -> PlainSignedData:
    whole = _first(data)
    kind, content = _exactly(data, whole, _SEQUENCE, _OID, 0xA0)
    if _oid(data, kind) != _SIGNED_DATA:
        raise NotPlain
    (inner,) = plain_items(data, content[2], content[3])
    parts = plain_items(data, inner[2], inner[3])
    if inner[0] != _SEQUENCE or [part[0] for part in parts[:3]] != [_INTEGER, _SET, _SEQUENCE]:
        raise NotPlain
    rest = parts[3:]
    certificates = _all(data, rest.pop(0), _SEQUENCE) if rest and rest[0][0] == 0xA0 else []
    crls = _all(data, rest.pop(0), _SEQUENCE) if rest and rest[0][0] == 0xA1 else []
    if len(rest) != 1 or rest[0][0] != _SET:
        raise NotPlain
    kind_of_content, held = _encapsulated(data, parts[2])
    signers = tuple([_signer(data, item) for item in plain_items(data, rest[0][2], rest[0][3])])
    return _integer(data, parts[0]), kind_of_content, held, certificates, crls, signers


def _encapsulated(data: bytes, item: Item) -> tuple[str, bytes | None]:
    kind, *rest = plain_items(data, item[2], item[3])
    name = _oid(data, kind)
    if name in _READ_AT_ONCE and name != _TST_INFO:
        raise NotPlain
    if not rest:
        return name, None
    if len(rest) != 1 or rest[0][0] != 0xA0:
        raise NotPlain
    (octets,) = plain_items(data, rest[0][2], rest[0][3])
    if octets[0] != _OCTETS:
        raise NotPlain
    content = data[octets[2] : octets[3]]
    if name == _TST_INFO:
        (held,) = plain_items(content, 0, len(content))
        if held[0] != _SEQUENCE:  # asn1crypto refuses other content at this place
            raise NotPlain
    return name, content


def _signer(data: bytes, item: Item) -> Signer:
    if item[0] != _SEQUENCE:
        raise NotPlain
    version, sid, digest, *rest = plain_items(data, item[2], item[3])
    signed = rest.pop(0) if rest[0][0] == 0xA0 else None
    algorithm, signature, *after = rest
    if signature[0] != _OCTETS or len(after) > 1 or (after and after[0][0] != 0xA1):
        raise NotPlain
    issuer = serial = key_identifier = None
    if sid[0] == 0x80:
        key_identifier = data[sid[2] : sid[3]]
    else:
        name, number = _exactly(data, sid, _SEQUENCE, _SEQUENCE, _INTEGER)
        issuer, serial = data[name[1] : name[3]], _integer(data, number)
    kind, parameters = _algorithm(data, algorithm)
    digest_kind, digest_parameters = _algorithm(data, digest)
    if digest_parameters is not None:
        raise NotPlain
    digest_algorithm = digest_name(digest_kind)
    what = signature_algorithm(kind, parameters, digest_algorithm)
    if what.mechanism == DSA or (what.mechanism != PSS and parameters is not None):
        raise NotPlain
    return Signer(
        version=_integer(data, version),
        issuer=issuer,
        serial=serial,
        key_identifier=key_identifier,
        digest_algorithm=digest_algorithm,
        algorithm=what,
        signature=data[signature[2] : signature[3]],
        signed_attributes=tlv.encode(tlv.SET, data[signed[2] : signed[3]]) if signed is not None else None,
        signed=_attributes(data, signed) if signed is not None else (),
        unsigned=_attributes(data, after[0]) if after else (),
        encoded=data[item[1] : item[3]],
        digest_stated=digest_kind in DIGESTS,
    )


def _attributes(data: bytes, item: Item) -> Attributes:
    found: list[tuple[str, tuple[bytes, ...]]] = []
    for attribute in plain_items(data, item[2], item[3]):
        kind, values = _exactly(data, attribute, _SEQUENCE, _OID, _SET)
        held = plain_items(data, values[2], values[3])
        found.append((_oid(data, kind), tuple([data[value[1] : value[3]] for value in held])))
    return tuple(found)


def _algorithm(data: bytes, item: Item) -> tuple[str, bytes | None]:
    """(identifier, parameters other than NULL)."""
    if item[0] != _SEQUENCE:
        raise NotPlain
    kind, *parameters = plain_items(data, item[2], item[3], 2)
    if not parameters or data[parameters[0][1] : parameters[0][3]] == _NULL:
        return _oid(data, kind), None
    if parameters[0][0] != _SEQUENCE:
        raise NotPlain
    return _oid(data, kind), data[parameters[0][1] : parameters[0][3]]


def _exactly(data: bytes, item: Item, tag: int, *tags: int) -> list[Item]:
    """The parts of ``item``, which has ``tag`` and parts of ``tags``."""
    parts = plain_items(data, item[2], item[3])
    if item[0] != tag or len(parts) != len(tags) or any(part[0] != one for part, one in zip(parts, tags, strict=True)):
        raise NotPlain
    return parts


def _all(data: bytes, item: Item, tag: int) -> list[bytes]:
    parts = plain_items(data, item[2], item[3])
    if any(part[0] != tag for part in parts):
        raise NotPlain
    return [data[part[1] : part[3]] for part in parts]


def _first(data: bytes) -> Item:
    count = data[1] & 0x7F if data[1] > 0x80 else 0
    if count > 4:
        raise NotPlain
    length = int.from_bytes(data[2 : 2 + count]) if count else data[1]
    (item,) = plain_items(data, 0, min(len(data), 2 + count + length))
    return item


def _integer(data: bytes, item: Item) -> int:
    if item[0] != _INTEGER or item[2] == item[3]:
        raise NotPlain
    return int.from_bytes(data[item[2] : item[3]], signed=True)


def _oid(data: bytes, item: Item) -> str:
    if item[0] != _OID or item[2] == item[3]:
        raise NotPlain
    return dotted(data[item[1] : item[3]])

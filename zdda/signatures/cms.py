"""CMS SignedData (RFC 5652) and its AdES attributes (EN 319 122-1): parse, digests, signature values.

Bytes are kept as transmitted wherever they are digested. Nothing here judges trust.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, ClassVar, ParamSpec, TypeVar

# The registries of asn1crypto grow on import: tsp before anything is parsed, so results never depend on order.
from asn1crypto import cms, core, crl, tsp

from zdda.signatures import der as tlv
from zdda.signatures.as_read import as_read
from zdda.signatures.ber import members
from zdda.signatures.cms_model import Attributes as Attributes
from zdda.signatures.cms_model import CertificateReference as CertificateReference
from zdda.signatures.cms_model import SignedData as SignedData
from zdda.signatures.cms_model import Signer as Signer
from zdda.signatures.cms_plain import NotPlain, plain_references, plain_signed_data
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import (
    DIGESTS,
    digest_name,
    signature_algorithm,
)

MAXIMUM_LENGTH = 64 * 1024 * 1024
MAXIMUM_ELEMENTS = 1000
SIGNED_DATA = "1.2.840.113549.1.7.2"
DATA = "1.2.840.113549.1.7.1"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"
COUNTER_SIGNATURE = "1.2.840.113549.1.9.6"
SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
SIGNATURE_POLICY = "1.2.840.113549.1.9.16.2.15"
CONTENT_TIMESTAMP = "1.2.840.113549.1.9.16.2.20"
COMMITMENT_TYPE = "1.2.840.113549.1.9.16.2.16"
CERTIFICATE_REFERENCES = "1.2.840.113549.1.9.16.2.21"
REVOCATION_REFERENCES = "1.2.840.113549.1.9.16.2.22"
VALIDATION_DATA_TIMESTAMP = "1.2.840.113549.1.9.16.2.25"
REFERENCES_TIMESTAMP = "1.2.840.113549.1.9.16.2.26"
ARCHIVE_TIMESTAMP_V2 = "1.2.840.113549.1.9.16.2.48"
ARCHIVE_TIMESTAMP_V3 = "0.4.0.1733.2.4"
INTERNAL_EVIDENCE_RECORD = "1.2.840.113549.1.9.16.2.49"
EXTERNAL_EVIDENCE_RECORD = "1.2.840.113549.1.9.16.2.50"
# Forms that were replaced long ago and are not read: archive-time-stamp (version 1), long-term-validation.
OBSOLETE = frozenset({"1.2.840.113549.1.9.16.2.27", "0.4.0.1733.2.2"})
SIGNATURE_TIMESTAMP = "1.2.840.113549.1.9.16.2.14"
CERTIFICATE_VALUES = "1.2.840.113549.1.9.16.2.23"
REVOCATION_VALUES = "1.2.840.113549.1.9.16.2.24"
ADOBE_REVOCATION = "1.2.840.113583.1.1.8"
ALGORITHM_PROTECTION = "1.2.840.113549.1.9.52"
_NULL = b"\x05\x00"
_OCSP_BASIC = "1.3.6.1.5.5.7.48.1.1"
OCSP_FORMATS = frozenset({"1.3.6.1.5.5.7.16.2", _OCSP_BASIC})


_P = ParamSpec("_P")
_T = TypeVar("_T")


def reading(what: str) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Whatever a parser of hostile bytes raises becomes a ``FormatError``."""

    def decorate(function: Callable[_P, _T]) -> Callable[_P, _T]:
        @wraps(function)
        def read(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            try:
                return function(*args, **kwargs)
            except (FormatError, MemoryError):
                raise
            except Exception as error:
                raise FormatError(f"{what} cannot be read") from error

        return read

    return decorate


class _RawValues(core.SetOf):  # type: ignore[misc]
    _child_spec: ClassVar[Any] = core.Any


class _RawAttribute(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[Any] = [("type", core.ObjectIdentifier), ("values", _RawValues)]


class RawAttributes(core.SetOf):  # type: ignore[misc]
    _child_spec: ClassVar[Any] = _RawAttribute


class _RevocationValues(core.Sequence):  # type: ignore[misc]
    """EN 319 122-1 clause A.1.2.2 and Adobe's archival attribute share these members."""

    _fields: ClassVar[Any] = [
        ("crls", core.SequenceOf, {"explicit": 0, "optional": True, "spec": crl.CertificateList}),
        ("ocsps", core.SequenceOf, {"explicit": 1, "optional": True}),
        ("other", core.Any, {"explicit": 2, "optional": True}),
    ]


def parse_signed_data(data: bytes) -> SignedData:
    """Reads a ContentInfo with SignedData, DER or BER; bytes after it are ignored.

    Raises ``FormatError`` where it is none, over 64 MiB, or has more than 1000 certificates or signers.
    """
    if len(data) > MAXIMUM_LENGTH:
        raise FormatError("a CMS message is too long")
    return _parse(data)


@reading("a CMS message")
def _parse(data: bytes) -> SignedData:
    try:
        version, content_type, content, certificates, crls, signers = plain_signed_data(data)
    except NotPlain:
        return _parse_unplain(data)
    return _complete(data, version, content_type, content, certificates, crls, [], signers)


def _parse_unplain(data: bytes) -> SignedData:
    info = cms.ContentInfo.load(data)
    if info["content_type"].dotted != SIGNED_DATA:
        raise FormatError("a CMS message is no SignedData")
    signed = info["content"]
    encapsulated = signed["encap_content_info"]
    content_type = encapsulated["content_type"].dotted
    certificates: list[bytes] = []
    for choice in _bounded(signed["certificates"], "certificates"):
        if choice.name == "certificate":
            certificates.append(as_read(choice))
    crls, ocsps = _revocation_choices(signed["crls"])
    signers = tuple(_signer(item) for item in _bounded(signed["signer_infos"], "signers"))
    version = int(core.Integer.load(as_read(signed["version"])).native)
    return _complete(data, version, content_type, _content(encapsulated), certificates, crls, ocsps, signers)


def _complete(
    data: bytes,
    version: int,
    content_type: str,
    content: bytes | None,
    certificates: list[bytes],
    crls: list[bytes],
    ocsps: list[bytes],
    signers: tuple[Signer, ...],
) -> SignedData:
    unread: list[str] = []
    for signer in signers:
        values = validation_values(signer)
        certificates += values.certificates
        crls += values.crls
        ocsps += values.ocsps
        unread += values.unread
    return SignedData(
        der=data,
        version=version,
        content_type=content_type,
        content=content,
        certificates=tuple(dict.fromkeys(certificates)),
        crls=tuple(dict.fromkeys(crls)),
        ocsps=tuple(dict.fromkeys(ocsps)),
        signers=signers,
        unread=tuple(unread),
    )


@dataclass(frozen=True, slots=True)
class ValidationValues:
    """What the attributes of one signer hold for its validation; ``unread``: which of them cannot be read."""

    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    unread: tuple[str, ...]


def validation_values(signer: Signer) -> ValidationValues:
    """certificate-values and revocation-values (EN 319 122-1 clause A.1.1). One that cannot be read gives nothing; it
    does not make the signature unreadable, which it is no part of."""
    found = [(CERTIFICATE_VALUES, value) for value in signer.unsigned_values(CERTIFICATE_VALUES)]
    found += [(REVOCATION_VALUES, value) for value in signer.unsigned_values(REVOCATION_VALUES)]
    return _values(found)


def signed_revocation_values(signer: Signer) -> ValidationValues:
    """adbe-revocationInfoArchival (ISO 32000-1 clause 12.8.3.3.2), an attribute of signatures in PDF documents."""
    return _values([(name, v) for name, members in signer.signed if name == ADOBE_REVOCATION for v in members])


def _values(found: Iterable[tuple[str, bytes]]) -> ValidationValues:
    certificates: list[bytes] = []
    crls: list[bytes] = []
    ocsps: list[bytes] = []
    unread: list[str] = []
    for name, value in found:
        try:
            more_certificates, more_crls, more_ocsps = values_of_attribute(name, value)
        except FormatError:
            unread.append(name)
            continue
        certificates += more_certificates
        crls += more_crls
        ocsps += more_ocsps
    return ValidationValues(tuple(certificates), tuple(crls), tuple(ocsps), tuple(unread))


@reading("an attribute of validation values")
def values_of_attribute(name: str, value: bytes) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """(certificates, CRLs, OCSP responses) in a value of certificate-values or revocation-values."""
    if name == CERTIFICATE_VALUES:
        return [as_read(item) for item in _bounded(_sequence(value), "certificate values")], [], []
    return [], *_revocation_values(value)


@reading("a SignerInfo")
def parse_signer(value: bytes) -> Signer:
    """A SignerInfo that stands alone: a counter-signature (RFC 5652 clause 11.4). Raises ``FormatError``."""
    return _signer(cms.SignerInfo.load(value, strict=True))


def _bounded(value: Any, what: str) -> Sequence[Any]:
    if value is None or isinstance(value, core.Void):
        return ()
    if len(value) > MAXIMUM_ELEMENTS:
        raise FormatError(f"a CMS message has more than {MAXIMUM_ELEMENTS} {what}")
    return list(value)


def _sequence(value: bytes) -> Any:
    return core.SequenceOf.load(value, spec=core.Any)


def _content(encapsulated: Any) -> bytes | None:
    content = encapsulated["content"]
    if content is None or isinstance(content, core.Void):
        return None
    native = getattr(content, "cast", None)
    if isinstance(content, core.ParsableOctetString | core.OctetString):
        return bytes(content)
    if isinstance(content, core.Any):
        return bytes(content.parse(core.OctetString)) if native is None else content.contents
    return as_read(content)


def _revocation_choices(value: Any) -> tuple[list[bytes], list[bytes]]:
    """RevocationInfoChoices (RFC 5652 clause 10.2.1; OCSP after RFC 5940, or as the older basic response)."""
    crls: list[bytes] = []
    ocsps: list[bytes] = []
    for choice in _bounded(value, "revocation values"):
        if choice.name == "crl":
            crls.append(as_read(choice))
        elif choice.name == "other" and choice.chosen["other_rev_info_format"].dotted in OCSP_FORMATS:
            ocsps.append(ocsp_response(as_read(choice.chosen["other_rev_info"])))
    return crls, ocsps


def _revocation_values(value: bytes) -> tuple[list[bytes], list[bytes]]:
    values = _RevocationValues.load(value)
    crls = [as_read(item) for item in _bounded(values["crls"], "CRLs")]
    return crls, [ocsp_response(as_read(item)) for item in _bounded(values["ocsps"], "OCSP responses")]


def ocsp_response(data: bytes) -> bytes:
    """An OCSPResponse as it is, or a BasicOCSPResponse wrapped into one (RFC 6960 clause 4.2.1)."""
    _, start, end, _ = tlv.read(data)
    if tlv.read(data, start, end)[0] == 0x0A:
        return data
    body = tlv.encode(tlv.OBJECT_IDENTIFIER, core.ObjectIdentifier(_OCSP_BASIC).contents)
    body = tlv.encode(tlv.SEQUENCE, body + tlv.encode(tlv.OCTET_STRING, data))
    return tlv.encode(tlv.SEQUENCE, b"\x0a\x01\x00" + tlv.encode(0xA0, body))


def _attributes(value: Any) -> tuple[bytes | None, Attributes]:
    """(the attributes as a universal SET, what they hold)."""
    if value is None or isinstance(value, core.Void):
        return None, ()
    encoded = tlv.encode(tlv.SET, value.contents)
    parsed = RawAttributes.load(encoded)
    if len(parsed) > MAXIMUM_ELEMENTS:
        raise FormatError("a CMS message has too many attributes")
    return encoded, tuple(
        (item["type"].dotted, tuple(as_read(member) for member in _bounded(item["values"], "values")))
        for item in parsed
    )


def _signer(info: Any) -> Signer:
    encoded = as_read(info)
    signed_attributes, signed = _attributes(info["signed_attrs"])
    _, unsigned = _attributes(info["unsigned_attrs"])
    sid = info["sid"]
    issuer = serial = key_identifier = None
    if sid.name == "issuer_and_serial_number":
        issuer, serial = as_read(sid.chosen["issuer"]), int(sid.chosen["serial_number"].native)
    else:
        key_identifier = bytes(sid.chosen)
    stated = info["digest_algorithm"]["algorithm"].dotted
    digest = digest_name(stated)
    algorithm = info["signature_algorithm"]
    parameters = algorithm["parameters"]
    raw = None if parameters is None or isinstance(parameters, core.Void | core.Null) else as_read(parameters)
    return Signer(
        version=int(core.Integer.load(as_read(info["version"])).native),
        issuer=issuer,
        serial=serial,
        key_identifier=key_identifier,
        digest_algorithm=digest,
        algorithm=signature_algorithm(algorithm["algorithm"].dotted, raw, digest),
        signature=bytes(info["signature"]),
        signed_attributes=signed_attributes,
        signed=signed,
        unsigned=unsigned,
        encoded=encoded,
        digest_stated=stated in DIGESTS,
    )


@reading("a message-digest attribute")
def message_digest(signer: Signer) -> bytes | None:
    """The value of the message-digest attribute (RFC 5652 clause 11.2), None where it is absent."""
    value = signer.signed_value(MESSAGE_DIGEST)
    return None if value is None else bytes(core.OctetString.load(value, strict=True))


@reading("a content-type attribute")
def signed_content_type(signer: Signer) -> str | None:
    value = signer.signed_value(CONTENT_TYPE)
    return None if value is None else str(core.ObjectIdentifier.load(value, strict=True).dotted)


@reading("a signing-time attribute")
def signing_time(signer: Signer) -> datetime | None:
    """The claimed signing time (RFC 5652 clause 11.3)."""
    value = signer.signed_value(SIGNING_TIME)
    if value is None:
        return None
    moment: datetime | None = cms.Time.load(value).native
    return None if moment is None else tlv.in_utc(moment)


def octet_string(data: bytes) -> bytes:
    """The contents of a DER OCTET STRING; raises ``FormatError``."""
    tag, start, end, _ = tlv.read(data)
    if tag != tlv.OCTET_STRING:
        raise FormatError("no OCTET STRING")
    return data[start:end]


def algorithm_protection(signer: Signer) -> str:
    """RFC 6211 clause 2: ``absent``, or whether the attribute holds copies of the SignerInfo's algorithm
    identifiers, parameters included: ``match``, ``mismatch``. Absent and NULL parameters are one."""
    value = signer.signed_value(ALGORITHM_PROTECTION)
    if value is None:
        return "absent"
    try:
        return "match" if _protects(value, signer) else "mismatch"
    except FormatError:
        return "mismatch"


@reading("a protection attribute")
def _protects(value: bytes, signer: Signer) -> bool:
    digest, algorithm = members(value)
    _, _, own_digest, _, own_algorithm = members(signer.encoded)[:5]
    tagged = algorithm[:1] == b"\xa1"
    return tagged and _same_algorithm(digest, own_digest) and _same_algorithm(algorithm, own_algorithm)


def _same_algorithm(one: bytes, other: bytes) -> bool:
    return [item for item in members(one) if item != _NULL] == [item for item in members(other) if item != _NULL]


@reading("a signing-certificate attribute")
def certificate_references(signer: Signer) -> tuple[CertificateReference, ...]:
    """The entries of signing-certificate-v2, or of signing-certificate (RFC 5035); the first is the signer's.

    Raises ``FormatError`` where an attribute cannot be read.
    """
    value = signer.signed_value(SIGNING_CERTIFICATE_V2)
    algorithms_named = value is not None
    if value is None:
        value = signer.signed_value(SIGNING_CERTIFICATE)
    if value is None:
        return ()
    try:
        return plain_references(value, algorithms_named)
    except NotPlain:
        return _unplain_references(value, algorithms_named)


def _unplain_references(value: bytes, algorithms_named: bool) -> tuple[CertificateReference, ...]:
    if algorithms_named:
        certs = tsp.SigningCertificateV2.load(value)["certs"]
        return tuple(_reference(c, digest_name(c["hash_algorithm"]["algorithm"].dotted)) for c in certs)
    return tuple(_reference(item, "sha1") for item in tsp.SigningCertificate.load(value)["certs"])


def _reference(item: Any, algorithm: str) -> CertificateReference:
    issuer = serial = None
    issuer_serial = item["issuer_serial"]
    if not isinstance(issuer_serial, core.Void) and issuer_serial is not None:
        serial = int(issuer_serial["serial_number"].native)
        for name in issuer_serial["issuer"]:
            if name.name == "directory_name":
                issuer = name.chosen.untag().dump()
                break
    return CertificateReference(algorithm, bytes(item["cert_hash"]), issuer, serial)

"""CMS SignedData (RFC 5652) and its AdES attributes (EN 319 122-1): parse, digests, signature values.

Bytes are kept as transmitted wherever they are digested. Nothing here judges trust.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

# The registries of asn1crypto grow on import: tsp before anything is parsed, so results never depend on order.
from asn1crypto import cms, core, crl, tsp

from zdda.signatures import der as tlv
from zdda.signatures.certificates import Certificate, load_certificate, same_name
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import (
    SignatureAlgorithm,
    digest_name,
    new_digest,
    signature_algorithm,
    verify_digest,
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
SIGNATURE_TIMESTAMP = "1.2.840.113549.1.9.16.2.14"
CERTIFICATE_VALUES = "1.2.840.113549.1.9.16.2.23"
REVOCATION_VALUES = "1.2.840.113549.1.9.16.2.24"
ADOBE_REVOCATION = "1.2.840.113583.1.1.8"
ALGORITHM_PROTECTION = "1.2.840.113549.1.9.52"
_OCSP_RESPONSE = "1.3.6.1.5.5.7.16.2"
_OCSP_BASIC = "1.3.6.1.5.5.7.48.1.1"


class _RawValues(core.SetOf):  # type: ignore[misc]
    _child_spec: ClassVar[Any] = core.Any


class _RawAttribute(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[Any] = [("type", core.ObjectIdentifier), ("values", _RawValues)]


class _RawAttributes(core.SetOf):  # type: ignore[misc]
    _child_spec: ClassVar[Any] = _RawAttribute


class _RevocationValues(core.Sequence):  # type: ignore[misc]
    """EN 319 122-1 clause A.1.2.2 and Adobe's archival attribute share these members."""

    _fields: ClassVar[Any] = [
        ("crls", core.SequenceOf, {"explicit": 0, "optional": True, "spec": crl.CertificateList}),
        ("ocsps", core.SequenceOf, {"explicit": 1, "optional": True}),
        ("other", core.Any, {"explicit": 2, "optional": True}),
    ]


ContentDigest = Callable[[str], bytes]
Attributes = tuple[tuple[str, tuple[bytes, ...]], ...]


@dataclass(frozen=True, slots=True)
class CertificateReference:
    """One entry of a signing-certificate attribute (RFC 5035): the digest, and issuer and serial if given."""

    digest_algorithm: str
    digest: bytes
    issuer: bytes | None
    serial: int | None

    def matches_digest(self, certificate: Certificate) -> bool:
        value = new_digest(self.digest_algorithm)
        value.update(certificate.der)
        return hmac.compare_digest(value.digest(), self.digest)

    def matches_issuer_serial(self, certificate: Certificate) -> bool:
        """True where no issuer and serial are given (RFC 5035 clause 4: they are optional)."""
        if self.serial is None:
            return True
        return self.serial == certificate.serial and same_name(self.issuer or b"", certificate.issuer)


@dataclass(frozen=True, slots=True, eq=False)
class Signer:
    """One SignerInfo. ``signed_attributes`` is the DER SET that the signature value is over, or None."""

    version: int
    issuer: bytes | None
    serial: int | None
    key_identifier: bytes | None
    digest_algorithm: str
    algorithm: SignatureAlgorithm
    signature: bytes
    signed_attributes: bytes | None
    signed: Attributes
    unsigned: Attributes

    def signed_value(self, oid: str) -> bytes | None:
        """The one value of a signed attribute; raises ``FormatError`` where there are several (RFC 5652
        clause 11)."""
        values = [value for name, members in self.signed if name == oid for value in members]
        if len(values) > 1:
            raise FormatError(f"signed attribute {oid} has {len(values)} values")
        return values[0] if values else None

    def unsigned_values(self, oid: str) -> tuple[bytes, ...]:
        return tuple(value for name, members in self.unsigned if name == oid for value in members)


@dataclass(frozen=True, slots=True, eq=False)
class SignedData:
    """A parsed SignedData. ``content`` is None where the content is detached."""

    der: bytes
    version: int
    content_type: str
    content: bytes | None
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    signers: tuple[Signer, ...]


def parse_signed_data(data: bytes) -> SignedData:
    """Reads a ContentInfo with SignedData, DER or BER; bytes after it are ignored.

    Raises ``FormatError`` where it is none, over 64 MiB, or has more than 1000 certificates or signers.
    """
    if len(data) > MAXIMUM_LENGTH:
        raise FormatError("a CMS message is too long")
    try:
        return _parse(data)
    except FormatError:
        raise
    except Exception as error:  # a parser of hostile bytes raises whatever it likes
        raise FormatError("a CMS message cannot be read") from error


def _parse(data: bytes) -> SignedData:
    info = cms.ContentInfo.load(data)
    if info["content_type"].dotted != SIGNED_DATA:
        raise FormatError("a CMS message is no SignedData")
    signed = info["content"]
    encapsulated = signed["encap_content_info"]
    content_type = encapsulated["content_type"].dotted
    certificates: list[bytes] = []
    for choice in _bounded(signed["certificates"], "certificates"):
        if choice.name == "certificate":
            certificates.append(choice.chosen.dump())
    crls, ocsps = _revocation_choices(signed["crls"])
    signers = tuple(_signer(item) for item in _bounded(signed["signer_infos"], "signers"))
    for signer in signers:
        for value in signer.unsigned_values(CERTIFICATE_VALUES):
            certificates.extend(item.dump() for item in _bounded(_sequence(value), "certificate values"))
        revocations = [*signer.unsigned_values(REVOCATION_VALUES)]
        revocations += [v for name, members in signer.signed if name == ADOBE_REVOCATION for v in members]
        for value in revocations:
            more_crls, more_ocsps = _revocation_values(value)
            crls += more_crls
            ocsps += more_ocsps
    return SignedData(
        der=data,
        version=int(core.Integer.load(signed["version"].dump()).native),
        content_type=content_type,
        content=_content(encapsulated),
        certificates=tuple(dict.fromkeys(certificates)),
        crls=tuple(dict.fromkeys(crls)),
        ocsps=tuple(dict.fromkeys(ocsps)),
        signers=signers,
    )


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
    return bytes(content.dump())


def values_of_attribute(name: str, value: bytes) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """(certificates, CRLs, OCSP responses) in a value of revocation-values or of Adobe's archival attribute."""
    del name
    return [], *_revocation_values(value)


def _revocation_choices(value: Any) -> tuple[list[bytes], list[bytes]]:
    """RevocationInfoChoices (RFC 5652 clause 10.2.1; OCSP after RFC 5940)."""
    crls: list[bytes] = []
    ocsps: list[bytes] = []
    for choice in _bounded(value, "revocation values"):
        if choice.name == "crl":
            crls.append(choice.chosen.dump())
        elif choice.name == "other" and choice.chosen["other_rev_info_format"].dotted == _OCSP_RESPONSE:
            response = choice.chosen["other_rev_info"]
            ocsps.append(response.dump())
    return crls, ocsps


def _revocation_values(value: bytes) -> tuple[list[bytes], list[bytes]]:
    values = _RevocationValues.load(value)
    crls = [item.dump() for item in _bounded(values["crls"], "CRLs")]
    return crls, [ocsp_response(item.dump()) for item in _bounded(values["ocsps"], "OCSP responses")]


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
    parsed = _RawAttributes.load(encoded)
    if len(parsed) > MAXIMUM_ELEMENTS:
        raise FormatError("a CMS message has too many attributes")
    return encoded, tuple(
        (item["type"].dotted, tuple(member.dump() for member in _bounded(item["values"], "values"))) for item in parsed
    )


def _signer(info: Any) -> Signer:
    signed_attributes, signed = _attributes(info["signed_attrs"])
    _, unsigned = _attributes(info["unsigned_attrs"])
    sid = info["sid"]
    issuer = serial = key_identifier = None
    if sid.name == "issuer_and_serial_number":
        issuer, serial = sid.chosen["issuer"].dump(), int(sid.chosen["serial_number"].native)
    else:
        key_identifier = bytes(sid.chosen)
    digest = digest_name(info["digest_algorithm"]["algorithm"].dotted)
    algorithm = info["signature_algorithm"]
    parameters = algorithm["parameters"]
    raw = None if parameters is None or isinstance(parameters, core.Void | core.Null) else parameters.dump()
    return Signer(
        version=int(core.Integer.load(info["version"].dump()).native),
        issuer=issuer,
        serial=serial,
        key_identifier=key_identifier,
        digest_algorithm=digest,
        algorithm=signature_algorithm(algorithm["algorithm"].dotted, raw, digest),
        signature=bytes(info["signature"]),
        signed_attributes=signed_attributes,
        signed=signed,
        unsigned=unsigned,
    )


def message_digest(signer: Signer) -> bytes | None:
    """The value of the message-digest attribute (RFC 5652 clause 11.2), None where it is absent."""
    value = signer.signed_value(MESSAGE_DIGEST)
    return None if value is None else bytes(core.OctetString.load(value))


def signed_content_type(signer: Signer) -> str | None:
    value = signer.signed_value(CONTENT_TYPE)
    return None if value is None else str(core.ObjectIdentifier.load(value).dotted)


def signing_time(signer: Signer) -> datetime | None:
    """The claimed signing time (RFC 5652 clause 11.3)."""
    value = signer.signed_value(SIGNING_TIME)
    if value is None:
        return None
    moment: datetime | None = cms.Time.load(value).native
    return None if moment is None else moment.astimezone(UTC)


def octet_string(data: bytes) -> bytes:
    """The contents of a DER OCTET STRING; raises ``FormatError``."""
    tag, start, end, _ = tlv.read(data)
    if tag != tlv.OCTET_STRING:
        raise FormatError("no OCTET STRING")
    return data[start:end]


def algorithm_protection(signer: Signer) -> str:
    """RFC 6211: ``absent``, or whether the protected algorithms are those of the SignerInfo: ``match``,
    ``mismatch``."""
    value = signer.signed_value(ALGORITHM_PROTECTION)
    if value is None:
        return "absent"
    try:
        parsed = cms.CMSAlgorithmProtection.load(value)
        digest = digest_name(parsed["digest_algorithm"]["algorithm"].dotted)
        algorithm = parsed["signature_algorithm"]
        parameters = algorithm["parameters"]
        raw = None if parameters is None or isinstance(parameters, core.Void | core.Null) else parameters.dump()
        protected = signature_algorithm(algorithm["algorithm"].dotted, raw, digest)
    except (ValueError, TypeError, KeyError, FormatError):
        return "mismatch"
    return "match" if (digest, protected) == (signer.digest_algorithm, signer.algorithm) else "mismatch"


def certificate_references(signer: Signer) -> tuple[CertificateReference, ...]:
    """The entries of signing-certificate-v2, or of signing-certificate (RFC 5035); the first is the signer's.

    Raises ``FormatError`` where an attribute cannot be read.
    """
    try:
        value = signer.signed_value(SIGNING_CERTIFICATE_V2)
        if value is not None:
            certs = tsp.SigningCertificateV2.load(value)["certs"]
            return tuple(_reference(c, digest_name(c["hash_algorithm"]["algorithm"].dotted)) for c in certs)
        value = signer.signed_value(SIGNING_CERTIFICATE)
        if value is not None:
            return tuple(_reference(item, "sha1") for item in tsp.SigningCertificate.load(value)["certs"])
    except (ValueError, TypeError, KeyError) as error:
        raise FormatError("a signing-certificate attribute cannot be read") from error
    return ()


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


def candidates(signer: Signer, certificates: Iterable[bytes]) -> tuple[Certificate, ...]:
    """The certificates that the signer identifier names (RFC 5652 clause 5.3), unreadable ones left out."""
    found: list[Certificate] = []
    for der in certificates:
        try:
            certificate = load_certificate(der)
        except FormatError:
            continue
        if signer.key_identifier is not None:
            match = signer.key_identifier == certificate.key_identifier
        else:
            match = signer.serial == certificate.serial and same_name(signer.issuer or b"", certificate.issuer)
        if match:
            found.append(certificate)
    return tuple(found)


def verify_signer(
    signer: Signer, certificate: Certificate, content_digest: ContentDigest, content: bytes | None = None
) -> bool:
    """Whether the signature value verifies with this certificate's key (RFC 5652 clause 5.6).

    ``content_digest`` gives the digest of the content for an algorithm's name; it is called only where there
    are no signed attributes. The message-digest attribute is not compared here.
    """
    if signer.signed_attributes is None:
        if signer.algorithm.hash is None or signer.algorithm.hash != signer.digest_algorithm:
            return False
        digest = content_digest(signer.algorithm.hash)
        return verify_digest(certificate.public_key, signer.algorithm, digest, signer.signature, content)
    for message in _encodings(signer.signed_attributes):
        digest = b""
        if signer.algorithm.hash is not None and signer.algorithm.hash != "shake256":
            value = new_digest(signer.algorithm.hash)
            value.update(message)
            digest = value.digest()
        if verify_digest(certificate.public_key, signer.algorithm, digest, signer.signature, message):
            return True
    return False


def _encodings(attributes: bytes) -> Iterable[bytes]:
    """The DER encoding of the attributes, however they were transmitted: RFC 5652 clause 5.4 has the signature
    over it and over nothing else, so members are sorted; then, where that differs, re-encoded whole."""
    try:
        parsed = _RawAttributes.load(attributes)
        ordered = tlv.encode(tlv.SET, b"".join(sorted(item.dump() for item in parsed)))
        yield ordered
        recoded = tlv.encode(tlv.SET, b"".join(sorted(item.dump(force=True) for item in parsed)))
    except (ValueError, TypeError):
        return
    if recoded != ordered:
        yield recoded

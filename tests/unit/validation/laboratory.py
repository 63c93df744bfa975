"""A small public key infrastructure and a PDF signer of our own: every byte and every time under a test's control."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

START = datetime(2020, 1, 1, tzinfo=UTC)
SIGNED = datetime(2021, 6, 1, 12, tzinfo=UTC)
NOW = datetime(2021, 6, 2, 12, tzinfo=UTC)
END = datetime(2023, 1, 1, tzinfo=UTC)
CA_END = datetime(2040, 1, 1, tzinfo=UTC)
_DIGESTS: dict[str, hashes.HashAlgorithm] = {"sha256": hashes.SHA256(), "sha1": hashes.SHA1()}


@cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    """Always the same key for the same name: nothing here is secret."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()) % (1 << 255) + 1
    return ec.derive_private_key(number, ec.SECP256R1())


def sign_bytes(name: str, data: bytes, digest: str = "sha256") -> bytes:
    return key(name).sign(data, ec.ECDSA(_DIGESTS[digest], deterministic_signing=True))


@dataclass(frozen=True)
class Member:
    """A certificate and the name of its key."""

    name: str
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def serial(self) -> int:
        return self.certificate.serial_number


def certificate(
    name: str,
    issuer: Member | None,
    *,
    ca: bool = False,
    start: datetime = START,
    end: datetime = END,
    usage: str = "sign",
    extended: Sequence[x509.ObjectIdentifier] = (),
    no_check: bool = False,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    path_length: int | None = None,
) -> Member:
    """``usage``: ``sign`` (content commitment), ``ca``, ``digital`` (digital signature)."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key(name).public_key())
        .serial_number(int.from_bytes(hashlib.sha256(f"{name}{start}{end}".encode()).digest()[:8]) >> 1 | 1)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
        .add_extension(_usage("ca" if ca else usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key(name).public_key()), critical=False)
    )
    if issuer is not None:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(key(issuer.name).public_key())
        builder = builder.add_extension(authority, critical=False)
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=True)
    if no_check:
        builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    signer = key(issuer.name if issuer else name)
    return Member(name, builder.sign(signer, hashes.SHA256(), ecdsa_deterministic=True))


def _usage(kind: str) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=kind == "digital",
        content_commitment=kind == "sign",
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=kind == "ca",
        crl_sign=kind == "ca",
        encipher_only=False,
        decipher_only=False,
    )


def crl(
    issuer: Member,
    moment: datetime = NOW,
    revoked: Sequence[tuple[Member, datetime, x509.ReasonFlags]] = (),
    days: int = 30,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    by: str | None = None,
) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(moment)
        .next_update(moment + timedelta(days=days))
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    for member, when, reason in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(member.serial).revocation_date(when)
        builder = builder.add_revoked_certificate(entry.add_extension(x509.CRLReason(reason), False).build())
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    signed = builder.sign(key(by or issuer.name), hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(Encoding.DER)


def ocsp_answer(
    member: Member,
    issuer: Member,
    responder: Member,
    moment: datetime = NOW,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    revoked_at: datetime | None = None,
) -> bytes:
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=member.certificate,
        issuer=issuer.certificate,
        algorithm=hashes.SHA1(),
        cert_status=status,
        this_update=moment,
        next_update=moment + timedelta(days=1),
        revocation_time=revoked_at,
        revocation_reason=x509.ReasonFlags.key_compromise if revoked_at else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
    if responder.der != issuer.der:
        builder = builder.certificates([responder.certificate])
    return builder.sign(key(responder.name), hashes.SHA256()).public_bytes(Encoding.DER)


# --- CMS


def cms_signature(
    member: Member,
    digest: bytes,
    *,
    content: bytes | None = None,
    content_type: str = "1.2.840.113549.1.7.1",
    certificates: Sequence[Member] = (),
    attributes: Callable[[list[cms.CMSAttribute]], list[cms.CMSAttribute]] = lambda given: given,
    reference: bytes | None = None,
    timestamp: Callable[[bytes], bytes] | None = None,
    signing_key: str | None = None,
    algorithm: str = "sha256",
    order: str = "der",
) -> bytes:
    """A CAdES-B (or B-T) signature. ``reference``: the certificate that signing-certificate-v2 names (DER).

    ``order``: ``der``; ``sent``: the attributes are sent in another order than DER, but signed in DER; ``signed``:
    sent and signed in another order.
    """
    named = reference or member.der
    signed = attributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": [content_type]}),
            cms.CMSAttribute({"type": "message_digest", "values": [digest]}),
            cms.CMSAttribute(
                {
                    "type": "signing_certificate_v2",
                    "values": [
                        tsp.SigningCertificateV2(
                            {
                                "certs": [
                                    tsp.ESSCertIDv2(
                                        {
                                            "hash_algorithm": {"algorithm": "sha256"},
                                            "cert_hash": hashlib.sha256(named).digest(),
                                        }
                                    )
                                ]
                            }
                        )
                    ],
                }
            ),
        ]
    )
    encoded = cms.CMSAttributes(signed)
    ordered = sorted(item.dump() for item in signed)
    disordered = b"".join(reversed(ordered))
    assert encoded.dump().endswith(b"".join(ordered))
    to_be_signed = encoded.dump()[: -len(disordered)] + disordered if order == "signed" else encoded.dump()
    value = sign_bytes(signing_key or member.name, to_be_signed, algorithm)
    info: dict[str, Any] = {
        "version": "v1",
        "sid": {
            "issuer_and_serial_number": {
                "issuer": asn1_x509.Certificate.load(member.der).issuer,
                "serial_number": member.serial,
            }
        },
        "digest_algorithm": {"algorithm": algorithm},
        "signed_attrs": encoded,
        "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": f"{algorithm}_ecdsa"}),
        "signature": value,
    }
    if timestamp is not None:
        token = cms.ContentInfo.load(timestamp(value))
        info["unsigned_attrs"] = [cms.CMSAttribute({"type": "signature_time_stamp_token", "values": [token]})]
    chain = dict.fromkeys((member.der, *(other.der for other in certificates)))
    encapsulated: dict[str, Any] = {"content_type": content_type}
    if content is not None:
        encapsulated["content"] = core.ParsableOctetString(content) if content_type.endswith(".1.4") else content
    written = bytes(
        cms.ContentInfo(
            {
                "content_type": "signed_data",
                "content": cms.SignedData(
                    {
                        "version": "v3" if content_type.endswith(".1.4") else "v1",
                        "digest_algorithms": [{"algorithm": algorithm}],
                        "encap_content_info": encapsulated,
                        "certificates": [asn1_x509.Certificate.load(der) for der in chain],
                        "signer_infos": [cms.SignerInfo(info)],
                    }
                ),
            }
        ).dump()
    )
    return written if order == "der" else written.replace(b"".join(ordered), disordered)


def token(
    authority: Member, imprint: bytes, moment: datetime = SIGNED, certificates: Sequence[Member] = (), **more: Any
) -> bytes:
    info = tsp.TSTInfo(
        {
            "version": "v1",
            "policy": "1.2.3.4",
            "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": imprint},
            "serial_number": 7,
            "gen_time": moment,
        }
    ).dump()
    return cms_signature(
        authority,
        hashlib.sha256(info).digest(),
        content=info,
        content_type="1.2.840.113549.1.9.16.1.4",
        certificates=certificates,
        **more,
    )


# --- PDF

_BASE = {
    1: b"<< /Type /Catalog /Pages 2 0 R >>",
    2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R >>",
    4: b"<< /Length 22 >>\nstream\nBT (a page) Tj ET     \nendstream",
}
ROOM = 16384


def _write(pdf: bytes, objects: dict[int, bytes], size: int, previous: int | None) -> bytes:
    out = bytearray(pdf)
    offsets = {}
    for number, body in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n"
    if previous is None:
        out += b"0 1\n0000000000 65535 f \n"
    for number in sorted(offsets):
        out += b"%d 1\n%010d 00000 n \n" % (number, offsets[number])
    trailer = b"<< /Size %d /Root 1 0 R%b >>" % (size, b" /Prev %d" % previous if previous is not None else b"")
    return bytes(out) + b"trailer\n%b\nstartxref\n%d\n%%%%EOF\n" % (trailer, start)


def unsigned_pdf() -> bytes:
    return _write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", _BASE, 5, None)


def update(pdf: bytes, objects: dict[int, bytes], size: int) -> bytes:
    """An incremental update (ISO 32000-2 clause 7.5.6)."""
    previous = int(re.findall(rb"startxref\s+(\d+)", pdf)[-1])
    return _write(pdf, objects, size, previous)


Make = Callable[[bytes], bytes]
"""From the digest of the byte range to the value of /Contents."""


def sign_pdf(
    pdf: bytes,
    make: Make,
    *,
    number: int = 10,
    fields: Sequence[int] = (),
    sub_filter: str = "ETSI.CAdES.detached",
    moment: datetime = SIGNED,
    type: str = "Sig",
    byte_range: Callable[[list[int]], list[int]] = lambda given: given,
    store: bytes = b"",
    digest: str = "sha256",
    room: int = ROOM,
) -> bytes:
    """Signs in an incremental update: field ``number``, dictionary ``number + 1``. ``room``: bytes kept for the value
    of /Contents."""
    everyone = b" ".join(b"%d 0 R" % item for item in (*fields, number))
    placeholder = b"<" + b"0" * (2 * room) + b">"
    signature = (
        b"<< /Type /%b /Filter /Adobe.PPKLite /SubFilter /%b /M (D:%b+00'00') /ByteRange [%b] /Contents %b >>"
        % (type.encode(), sub_filter.encode(), moment.strftime("%Y%m%d%H%M%S").encode(), b" " * 60, placeholder)
    )
    catalog = b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /SigFlags 3 /Fields [%b] >> %b >>" % (everyone, store)
    field = b"<< /FT /Sig /Type /Annot /Subtype /Widget /Rect [0 0 0 0] /T (s%d) /V %d 0 R >>"
    written = update(pdf, {1: catalog, number: field % (number, number + 1), number + 1: signature}, number + 2)
    start = written.index(placeholder, len(pdf))
    end = start + len(placeholder)
    numbers = byte_range([0, start, end, len(written) - end])
    text = " ".join(map(str, numbers)).encode().ljust(60)
    mark = written.rindex(b"/ByteRange [", 0, start) + len(b"/ByteRange [")
    written = written[:mark] + text + written[mark + 60 :]
    ranges = [0, start, end, len(written) - end]
    value = make(hashlib.new(digest, written[: ranges[1]] + written[ranges[2] :]).digest())
    assert len(value) <= room
    contents = value.hex().encode().ljust(2 * room, b"0")
    return written[: start + 1] + contents + written[end - 1 :]


# --- a world to validate in


@dataclass(frozen=True)
class World:
    """One root, one issuing CA, a signer, an authority for timestamps, a responder."""

    root: Member
    issuing: Member
    signer: Member
    authority: Member
    responder: Member

    @property
    def chain(self) -> tuple[Member, ...]:
        return (self.issuing, self.root)

    def crls(self, moment: datetime = NOW, **revoked: Any) -> tuple[bytes, ...]:
        return (crl(self.root, moment), crl(self.issuing, moment, **revoked))

    def basic(self, pdf: bytes | None = None, **more: Any) -> bytes:
        """A PDF signed PAdES B-B."""
        return sign_pdf(
            unsigned_pdf() if pdf is None else pdf,
            lambda digest: cms_signature(self.signer, digest, certificates=self.chain),
            **more,
        )

    def with_timestamp(self, moment: datetime = SIGNED, pdf: bytes | None = None, **more: Any) -> bytes:
        """A PDF signed PAdES B-T, timestamped at ``moment``."""
        return sign_pdf(
            unsigned_pdf() if pdf is None else pdf,
            lambda digest: cms_signature(
                self.signer,
                digest,
                certificates=self.chain,
                timestamp=lambda value: token(
                    self.authority, hashlib.sha256(value).digest(), moment, certificates=self.chain
                ),
            ),
            **more,
        )


def make_world(name: str = "lab", **signer: Any) -> World:
    """``signer``: what is to be unusual about the signer's certificate."""
    root = certificate(f"{name} root", None, ca=True, end=CA_END)
    issuing = certificate(f"{name} issuing", root, ca=True, end=CA_END)
    return World(
        root,
        issuing,
        certificate(f"{name} signer", issuing, **signer),
        certificate(f"{name} tsa", issuing, usage="digital", extended=[ExtendedKeyUsageOID.TIME_STAMPING], end=CA_END),
        certificate(
            f"{name} ocsp",
            issuing,
            usage="digital",
            extended=[ExtendedKeyUsageOID.OCSP_SIGNING],
            no_check=True,
            end=CA_END,
        ),
    )


@cache
def world() -> World:
    return make_world()

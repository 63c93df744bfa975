"""The demonstration's documents: signed PAdES-B-T, the same damaged, unsigned, and signed by a stranger."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from io import BytesIO

from asn1crypto import keys as asn1_keys
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import serialization
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from zdda.demonstration.authority import Credential
from zdda.demonstration.timestamps import DemonstrationTimestamps


@dataclass(frozen=True, slots=True)
class DemonstrationDocument:
    """A document and what the archive should say of it."""

    name: str
    title: str
    content: bytes


def demonstration_documents(
    signer: Credential, stranger: Credential, timestamps: DemonstrationTimestamps
) -> tuple[DemonstrationDocument, ...]:
    """The four documents of ``make run``."""
    unsigned = plain_pdf("Propouštěcí zpráva (ukázka)")
    signed = sign_pdf(unsigned, signer, timestamps)
    return (
        DemonstrationDocument("zprava.pdf", "signed, PAdES-B-T", signed),
        DemonstrationDocument("zprava-poskozena.pdf", "signed, one byte changed", damaged(signed)),
        DemonstrationDocument("zprava-nepodepsana.pdf", "unsigned", unsigned),
        DemonstrationDocument("zprava-cizi.pdf", "signer not trusted", sign_pdf(unsigned, stranger, timestamps)),
    )


def plain_pdf(title: str, filler: int = 0) -> bytes:
    """A small PDF 1.7 of one page; ``filler`` bytes of an unused stream make it larger."""
    content = b"BT /F1 18 Tf 72 760 Td (%s) Tj ET" % _shown(title)
    encoded = "feff" + title.encode("utf-16-be").hex()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica"
        b" /Encoding << /Type /Encoding /BaseEncoding /WinAnsiEncoding /Differences [ 128 %s ] >> >> >> >> >>"
        % b" ".join(b"/" + glyph for glyph in _CZECH.values()),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Title <%s> >>" % encoded.encode("ascii"),
    ]
    if filler:
        unused = (b"0123456789abcdef" * (filler // 16 + 1))[:filler]
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (filler, unused))
    out, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


_CZECH = dict(
    zip(
        "čďěňřšťůžČĎĚŇŘŠŤŮŽ",
        b"ccaron dcaron ecaron ncaron rcaron scaron tcaron uring zcaron"
        b" Ccaron Dcaron Ecaron Ncaron Rcaron Scaron Tcaron Uring Zcaron".split(),
        strict=True,
    )
)
"""Letters that WinAnsi lacks, or has elsewhere, by the names of their glyphs; codes from 128 on."""


def _shown(text: str) -> bytes:
    """The text as a PDF literal string in the page's encoding: Latin-1, and Czech letters from 128 on."""
    codes = {letter: bytes([128 + number]) for number, letter in enumerate(_CZECH)}
    shown = b"".join(codes.get(letter) or letter.encode("latin-1", "replace") for letter in text)
    return shown.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def sign_pdf(pdf: bytes, credential: Credential, timestamps: DemonstrationTimestamps | None) -> bytes:
    """A PAdES-B-T signature (B-B without ``timestamps``) over the whole document."""
    store = SimpleCertificateStore()
    store.register_multiple(
        asn1_x509.Certificate.load(each.public_bytes(serialization.Encoding.DER)) for each in credential.chain
    )
    signer = signers.SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(credential.der),
        signing_key=asn1_keys.PrivateKeyInfo.load(
            credential.key.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        ),
        cert_registry=store,
    )
    metadata = signers.PdfSignatureMetadata(
        field_name="Signature1", md_algorithm="sha256", subfilter=fields.SigSeedSubFilter.PADES
    )
    stamper = PdfStamper(timestamps) if timestamps else None
    out = BytesIO()
    asyncio.run(
        signers.PdfSigner(metadata, signer, timestamper=stamper).async_sign_pdf(
            IncrementalPdfFileWriter(BytesIO(pdf)), output=out
        )
    )
    return out.getvalue()


def damaged(pdf: bytes) -> bytes:
    """One byte of the page's text is another; the file still opens."""
    place = pdf.index(b") Tj")
    return pdf[: place - 1] + bytes([pdf[place - 1] ^ 1]) + pdf[place:]


class PdfStamper(TimeStamper):  # type: ignore[misc]
    """The demonstration's timestamp authority as pyHanko asks one."""

    def __init__(self, timestamps: DemonstrationTimestamps) -> None:
        super().__init__()
        self._timestamps = timestamps

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        return tsp.TimeStampResp.load(self._timestamps.respond(req.dump()))

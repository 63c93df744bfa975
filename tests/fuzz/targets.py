"""What fuzzing runs: hostile bytes into each parser of signed things. A target returns or raises ``Violation``.

Two promises: whatever the bytes, there is an answer and no internal error; and nothing passes, or is believed, that is
not word for word what was signed.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from asn1crypto import core
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.x509 import ocsp

from tests.unit.signatures.cms_maker import (
    attribute,
    in_segments,
    indefinite,
    signed_attributes,
    signed_data,
    signer_info,
)
from tests.unit.validation.laboratory import NOW, SIGNED, crl, ocsp_answer, sign_bytes, sign_pdf, token, update, world
from zdda.signatures import cms
from zdda.signatures.certificates import load_certificate
from zdda.signatures.errors import FormatError
from zdda.signatures.signed_structure import split_signed
from zdda.signatures.timestamp_token import parse_timestamp_token
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData, revocation_facts
from zdda.validation.indications import Indication
from zdda.validation.validate import validate_document

CONTENT = b"what was signed"


class Violation(AssertionError):
    """A promise is broken; the bytes that did it are the fuzzer's last input."""


@dataclass(frozen=True)
class Target:
    """``seeds``: well-made inputs to begin from."""

    run: Callable[[bytes], None]
    seeds: Callable[[], tuple[bytes, ...]]


def _judged(data: bytes, detached: Iterable[bytes] = ()) -> bool:
    """Whether the document passes; raises ``Violation`` for an internal error."""
    lab = world()
    report = validate_document(
        io.BytesIO(data),
        TrustAnchors((lab.root.der,)),
        at=NOW,
        detached=[io.BytesIO(each) for each in detached],
        revocation=RevocationData(lab.crls()),
    )
    reason = report.content["notValidated"]
    if reason is not None and reason["code"] == "internal-error":
        raise Violation(f"internal error {reason['detail']}")
    passed = [each for each in report.content["signatures"] if each["indication"] == "TOTAL_PASSED"]
    if (report.worst() is Indication.TOTAL_PASSED) > bool(passed):
        raise Violation("passed without a signature that passes")
    return bool(passed)


# --- CMS


@cache
def cms_seeds() -> tuple[bytes, ...]:
    lab = world()
    chain = [lab.signer.der, lab.issuing.der, lab.root.der]
    digest = hashlib.sha256(CONTENT).digest()
    info = signer_info(lab.signer, signed_attributes(lab.signer, digest))

    def stamped(value: bytes) -> list[bytes]:
        made = token(lab.authority, hashlib.sha256(value).digest(), certificates=lab.chain)
        return [attribute("1.2.840.113549.1.9.16.2.14", made)]

    later = signed_attributes(lab.signer, digest, moment=SIGNED + timedelta(minutes=1))
    timestamped = signer_info(lab.signer, later, unsigned=stamped)
    return (
        signed_data([info], CONTENT, chain),
        signed_data([info], None, chain),
        signed_data([timestamped], CONTENT, chain, lab.crls()),
        signed_data([info, timestamped], CONTENT, chain),
        signed_data([info], CONTENT, chain, write=indefinite, write_content=in_segments),
    )


def fuzz_cms(data: bytes) -> None:
    """Attached and detached SignedData (RFC 5652)."""
    if _judged(data, [CONTENT]) and _content_of(data) not in (CONTENT, None):
        raise Violation("a message passes that holds other content than was signed")
    if _judged(data, [CONTENT + b"!"]) and _content_of(data) != CONTENT:
        raise Violation("a detached signature passes over other content")


def _content_of(message: bytes) -> bytes | None:
    try:
        return cms.parse_signed_data(message).content
    except FormatError:
        return None


# --- timestamp tokens


@cache
def token_seeds() -> tuple[bytes, ...]:
    lab = world()
    return (
        token(lab.authority, hashlib.sha256(CONTENT).digest(), certificates=lab.chain),
        token(lab.authority, hashlib.sha256(CONTENT).digest()),
    )


@cache
def _stamped() -> frozenset[bytes]:
    """The TSTInfo of each seed."""
    return frozenset(_info_of(seed) for seed in token_seeds())


def _info_of(token_der: bytes) -> bytes:
    return bytes(cms.parse_signed_data(token_der).content or b"")


def fuzz_token(data: bytes) -> None:
    """RFC 3161 tokens, by themselves and as documents."""
    _judged(data, [CONTENT])
    try:
        parsed = parse_timestamp_token(data)
    except FormatError:
        return
    if parsed.signature_intact and parsed.signer_certificate == world().authority.der:
        if not parsed.is_over_digest(hashlib.sha256(CONTENT).digest()):
            raise Violation("an intact token tells another imprint")
        if _info_of(data) not in _stamped():
            raise Violation("an intact token holds other information")


# --- revocation data


def _believed(data: RevocationData) -> bool:
    lab = world()
    certificate, issuer = load_certificate(lab.signer.der), load_certificate(lab.issuing.der)
    return any(fact.reliable for fact in revocation_facts(certificate, issuer, data, NOW))


@cache
def crl_seeds() -> tuple[bytes, ...]:
    lab = world()
    revoked = [(lab.signer, NOW, x509.ReasonFlags.key_compromise)]
    return crl(lab.issuing, NOW), crl(lab.issuing, NOW, revoked), crl(lab.root, NOW)


@cache
def _signed_lists() -> frozenset[bytes]:
    return frozenset(bytes(split_signed(seed).signed) for seed in crl_seeds())


def fuzz_crl(data: bytes) -> None:
    """Certificate revocation lists (RFC 5280 clause 5)."""
    if _believed(RevocationData((data,))) and bytes(split_signed(data).signed) not in _signed_lists():
        raise Violation("a list is believed that nobody signed")


@cache
def ocsp_seeds() -> tuple[bytes, ...]:
    lab = world()
    return tuple(
        _made_at_noon(ocsp_answer(lab.signer, lab.issuing, responder, NOW), responder.name)
        for responder in (lab.issuing, lab.responder)
    )


def _made_at_noon(answer: bytes, signer: str) -> bytes:
    """The same answer, but produced at a fixed moment: a corpus outlives the process that made its seeds."""
    parsed = asn1_ocsp.OCSPResponse.load(answer)
    basic = parsed["response_bytes"]["response"].parsed
    data = asn1_ocsp.ResponseData.load(basic["tbs_response_data"].dump())
    data["produced_at"] = NOW
    signed = data.dump(force=True)
    whole = {
        "tbs_response_data": asn1_ocsp.ResponseData.load(signed),
        "signature_algorithm": {"algorithm": "sha256_ecdsa"},
        "signature": core.OctetBitString(sign_bytes(signer, signed)),
        **({"certs": basic["certs"]} if basic["certs"].native else {}),
    }
    fresh = core.ParsableOctetString(asn1_ocsp.BasicOCSPResponse(whole).dump(force=True))
    content = {"response_type": "basic_ocsp_response", "response": fresh}
    made = asn1_ocsp.OCSPResponse({"response_status": "successful", "response_bytes": content})
    return bytes(made.dump(force=True))


def fuzz_ocsp(data: bytes) -> None:
    """OCSP answers (RFC 6960)."""
    if _believed(RevocationData((), (data,))) and not any(signed in data for signed in _signed_answers()):
        raise Violation("an answer is believed that nobody signed")


@cache
def _signed_answers() -> frozenset[bytes]:
    return frozenset(ocsp.load_der_ocsp_response(seed).tbs_response_bytes for seed in ocsp_seeds())


# --- PDF


@cache
def pdf_seeds() -> tuple[bytes, ...]:
    lab = world()
    basic = lab.basic()
    return (
        basic,
        lab.with_timestamp(),
        lab.basic(basic, number=20, fields=[10]),
        update(basic, {4: b"<< /Length 22 >>\nstream\nBT (another) Tj ET    \nendstream"}, 12),
        sign_pdf(basic, lambda digest: token(lab.authority, digest, certificates=lab.chain), number=20, fields=[10],
                 sub_filter="ETSI.RFC3161", type="DocTimeStamp"),
    )  # fmt: skip


@cache
def _signed_ranges() -> tuple[tuple[bytes, int, bytes], ...]:
    """(before the gap, where the rest begins, the rest) of every signature of the seeds."""
    found = []
    for seed in pdf_seeds():
        for match in re.finditer(rb"/ByteRange \[\s*(\d+) (\d+) (\d+) (\d+)", seed):
            first, length, second, rest = (int(part) for part in match.groups())
            if second + rest <= len(seed):
                found.append((seed[first : first + length], second, seed[second : second + rest]))
    return tuple(found)


def fuzz_pdf(data: bytes) -> None:
    """Signed PDFs (ISO 32000-2 clause 12.8)."""
    if _judged(data):
        for before, start, rest in _signed_ranges():
            if data.startswith(before) and data[start : start + len(rest)] == rest:
                return
        raise Violation("a document passes whose signed bytes are not those that were signed")


TARGETS = {
    "cms": Target(fuzz_cms, cms_seeds),
    "token": Target(fuzz_token, token_seeds),
    "crl": Target(fuzz_crl, crl_seeds),
    "ocsp": Target(fuzz_ocsp, ocsp_seeds),
    "pdf": Target(fuzz_pdf, pdf_seeds),
}

"""Hostile revocation data: CRLs (RFC 5280 clause 5) and OCSP answers (RFC 6960).

Each input is asked as it is; and, because a changed one never verifies, once more signed anew by who may sign it: then
what is believed is held against what another parser (cryptography's) reads in it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

from asn1crypto import core
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.fuzz.promises import Violation
from tests.unit.signatures.cms_maker import ECDSA_SHA256, algorithm, octets, oid
from tests.unit.validation.laboratory import NOW, Member, crl, ocsp_answer, sign_bytes, world
from zdda.signatures.certificates import Certificate, load_certificate
from zdda.signatures.der import encode
from zdda.signatures.signed_structure import split_signed
from zdda.trust.revocation import CertificateStatus, RevocationData, RevocationFact, revocation_facts

# cRLNumber, deltaCRLIndicator, issuingDistributionPoint: what may be critical in a list and is understood.
_UNDERSTOOD = frozenset({"2.5.29.20", "2.5.29.27", "2.5.29.28"})


@cache
def _asked() -> tuple[Certificate, Certificate]:
    lab = world()
    return load_certificate(lab.signer.der), load_certificate(lab.issuing.der)


def _believed(data: RevocationData) -> tuple[RevocationFact, ...]:
    return tuple(fact for fact in revocation_facts(*_asked(), data, NOW) if fact.reliable)


def _structure(signed: bytes, member: Member, more: bytes = b"") -> bytes:
    value = encode(0x03, b"\x00" + sign_bytes(member.name, signed))
    return encode(0x30, signed + algorithm(ECDSA_SHA256) + value + more)


# --- lists


@cache
def crl_seeds() -> tuple[bytes, ...]:
    lab = world()
    revoked = [(lab.signer, NOW, x509.ReasonFlags.key_compromise)]
    several = [(each, NOW, x509.ReasonFlags.certificate_hold) for each in (lab.responder, lab.authority)]
    point = x509.IssuingDistributionPoint(
        [x509.UniformResourceIdentifier("http://crl.example/1")], None, False, False, None, True, False
    )
    return (
        crl(lab.issuing, NOW),
        crl(lab.issuing, NOW, revoked),
        crl(lab.root, NOW),
        crl(lab.issuing, NOW, [*several, *revoked], extra=[(x509.DeltaCRLIndicator(1), True)]),
        crl(lab.issuing, NOW, several, extra=[(point, True)]),
    )


@cache
def _signed_lists() -> frozenset[bytes]:
    return frozenset(bytes(split_signed(seed).signed) for seed in crl_seeds())


def fuzz_crl(data: bytes) -> None:
    """Certificate revocation lists."""
    if _believed(RevocationData((data,))) and bytes(split_signed(data).signed) not in _signed_lists():
        raise Violation("a list is believed that nobody signed")
    try:
        again = _structure(split_signed(data).signed, world().issuing)
        parsed = x509.load_der_x509_crl(again)
        critical = {each.oid.dotted_string for each in parsed.extensions if each.critical and not _keeps_expired(each)}
        listed = [each for each in parsed if each.serial_number == world().signer.serial]
    except Exception:  # noqa: BLE001 - the other parser has errors of many kinds; ours does not use it alone
        return
    for fact in _believed(RevocationData((again,))):
        if not critical <= _UNDERSTOOD:
            raise Violation("a list is believed that is not understood")
        if _letters(parsed.issuer) != _letters(world().issuing.certificate.subject) and "2.5.29.28" not in critical:
            raise Violation("a list of another issuer is believed")
        if fact.status is CertificateStatus.GOOD and listed and not _of_another(listed):
            raise Violation("a certificate is good that the list names")
        if fact.status is CertificateStatus.REVOKED and not listed:
            raise Violation("a certificate is revoked that no list names")


def _keeps_expired(extension: x509.Extension[x509.ExtensionType]) -> bool:
    """expiredCertsOnCRL (X.509 clause 9.5.2.8), which is a GeneralizedTime."""
    value = extension.value
    if extension.oid.dotted_string != "2.5.29.60" or not isinstance(value, x509.UnrecognizedExtension):
        return False
    return re.fullmatch(rb"\x18\x0f[0-9]{14}Z", value.value) is not None


def _letters(name: x509.Name) -> str:
    """What is left of a name where neither case nor spaces nor the form of letters count (RFC 5280 clause 7.1)."""
    folded = unicodedata.normalize("NFKC", name.rfc4514_string()).casefold()
    return "".join(each for each in folded if each.isalnum())


def _of_another(listed: Sequence[x509.RevokedCertificate]) -> bool:
    """An indirect list may name a certificate of another issuer with the same number (clause 5.3.3)."""
    return any(isinstance(each.value, x509.CertificateIssuer) for entry in listed for each in entry.extensions)


# --- answers


@cache
def ocsp_seeds() -> tuple[bytes, ...]:
    lab = world()
    revoked = ocsp_answer(lab.signer, lab.issuing, lab.issuing, NOW, ocsp.OCSPCertStatus.REVOKED, NOW)
    return (
        _made_at_noon(ocsp_answer(lab.signer, lab.issuing, lab.issuing, NOW), lab.issuing.name),
        _made_at_noon(ocsp_answer(lab.signer, lab.issuing, lab.responder, NOW), lab.responder.name),
        _made_at_noon(revoked, lab.issuing.name),
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


@cache
def _signed_answers() -> frozenset[bytes]:
    return frozenset(ocsp.load_der_ocsp_response(seed).tbs_response_bytes for seed in ocsp_seeds())


def fuzz_ocsp(data: bytes) -> None:
    """OCSP answers."""
    if _believed(RevocationData((), (data,))) and not any(signed in data for signed in _signed_answers()):
        raise Violation("an answer is believed that nobody signed")
    try:
        given = ocsp.load_der_ocsp_response(data)
        signed, certificates = given.tbs_response_bytes, given.certificates
    except Exception:  # noqa: BLE001
        return
    lab = world()
    member = lab.responder if certificates else lab.issuing
    carried = b"".join(each.public_bytes(Encoding.DER) for each in certificates)
    basic = _structure(signed, member, encode(0xA0, encode(0x30, carried)) if certificates else b"")
    inner = encode(0x30, oid("1.3.6.1.5.5.7.48.1.1") + octets(basic))
    again = encode(0x30, b"\x0a\x01\x00" + encode(0xA0, inner))
    found = _believed(RevocationData((), (again,)))
    if not found:
        return
    try:
        said = {(each.serial_number, each.certificate_status) for each in ocsp.load_der_ocsp_response(again).responses}
    except Exception:  # noqa: BLE001 - the strict parser refuses what real responders send
        return
    for fact in found:
        if fact.status is CertificateStatus.GOOD and (lab.signer.serial, ocsp.OCSPCertStatus.GOOD) not in said:
            raise Violation("a certificate is good of which the answer does not say so")
        if fact.status is CertificateStatus.REVOKED and (lab.signer.serial, ocsp.OCSPCertStatus.REVOKED) not in said:
            raise Violation("a certificate is revoked of which the answer does not say so")

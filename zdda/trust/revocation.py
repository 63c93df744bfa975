"""Revocation data: what CRLs (RFC 5280 clause 6.3) and OCSP answers (RFC 6960) say of one certificate.

Facts only: whether they suffice is for the caller's policy. Anything not understood (indirect and delta
CRLs, partial reasons, unknown critical extensions) says nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from asn1crypto import ocsp
from cryptography import x509

from zdda.signatures import der as tlv
from zdda.signatures.certificates import OCSP_NO_CHECK, Certificate, load_certificate, same_name
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.signatures.signed_structure import is_signed_by, split_signed

OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
CLOCK_SKEW = timedelta(minutes=5)
MAXIMUM_LENGTH = 128 * 1024 * 1024
_ISSUING_DISTRIBUTION_POINT = x509.ObjectIdentifier("2.5.29.28")
_DELTA = x509.ObjectIdentifier("2.5.29.27")
_ARCHIVE_CUTOFF = "1.3.6.1.5.5.7.48.1.6"
_EXPIRED_CERTIFICATES_ON_CRL = x509.ObjectIdentifier("2.5.29.60")


class CertificateStatus(StrEnum):
    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class Doubt(StrEnum):
    """Why a fact cannot be relied on."""

    ISSUED_LATER = "issued-later-than-the-moment"
    ISSUED_BEFORE_CERTIFICATE = "issued-before-the-certificate"
    CERTIFICATE_HAD_EXPIRED = "certificate-had-expired-when-issued"
    ISSUER_NOT_VALID_THEN = "issuer-not-valid-when-issued"
    RESPONDER_NOT_CHECKED = "responder-not-checked"
    RESPONDER_REVOKED = "responder-revoked"
    STATUS_UNKNOWN = "status-unknown"


@dataclass(frozen=True)
class RevocationData:
    """DER CRLs and OCSPResponses, whatever their origin; nothing is fetched."""

    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()

    def __add__(self, other: RevocationData) -> RevocationData:
        return RevocationData(
            tuple(dict.fromkeys(self.crls + other.crls)), tuple(dict.fromkeys(self.ocsps + other.ocsps))
        )


@dataclass(frozen=True, slots=True)
class RevocationFact:
    """What one CRL or OCSP answer, whose signature holds, says of one certificate.

    ``kind``: ``crl`` or ``ocsp``; ``digest``: SHA-256 of its bytes; ``issuer``: DER certificate of who signed
    it; ``doubts``: empty where the fact can be relied on at the moment asked. ``responder_facts`` are about a
    delegated OCSP responder's own certificate.
    """

    kind: str
    digest: bytes
    status: CertificateStatus
    revoked_at: datetime | None
    reason: str | None
    this_update: datetime
    next_update: datetime | None
    produced_at: datetime
    issuer: bytes
    algorithm: SignatureAlgorithm
    doubts: tuple[Doubt, ...] = ()
    responder_facts: tuple[RevocationFact, ...] = ()

    @property
    def reliable(self) -> bool:
        return not self.doubts

    def revoked_by(self, moment: datetime) -> bool:
        """Whether the certificate was revoked at ``moment``; a doubtful fact still counts here."""
        return self.status is CertificateStatus.REVOKED and self.revoked_at is not None and self.revoked_at <= moment


def revocation_facts(
    certificate: Certificate,
    issuer: Certificate,
    data: RevocationData,
    moment: datetime,
    latest: datetime | None = None,
    _depth: int = 0,
) -> tuple[RevocationFact, ...]:
    """All that ``data`` says of ``certificate``, the newest first.

    ``latest``: the latest thisUpdate accepted, by default five minutes after ``moment``.
    """
    limit = moment + CLOCK_SKEW if latest is None else latest
    facts: list[RevocationFact] = []
    for der in data.ocsps:
        facts.extend(_ocsp_facts(certificate, issuer, der, data, moment, limit, _depth))
    for der in data.crls:
        facts.extend(_crl_facts(certificate, issuer, der, limit))
    facts.sort(key=lambda fact: (fact.this_update, fact.produced_at), reverse=True)
    return tuple(facts)


def is_mentioned(certificate: Certificate, issuer: Certificate, data: RevocationData) -> bool:
    """Whether ``data`` hold a CRL or an OCSP answer about the certificate, whoever signed it: for the level of a
    signature, which is presence; never for a verdict."""
    for der in data.ocsps:
        answer = _load_ocsp(der)
        if answer is not None and any(_is_about(single, certificate, issuer) for single in answer.singles):
            return True
    for der in data.crls:
        crl = _load_crl(der)
        if crl is not None and same_name(crl.issuer, certificate.issuer) and _in_scope(crl.point, certificate):
            return True
    return False


def decisive_fact(facts: Sequence[RevocationFact], moment: datetime) -> RevocationFact | None:
    """The fact that counts at ``moment``: a revocation for good, else the newest reliable one.

    A hold (RFC 5280 clause 5.3.1 certificateHold) is superseded by a newer fact; any other revocation never is.
    """
    for fact in facts:
        if fact.revoked_by(moment) and fact.reason != "certificate_hold":
            return fact
    return next((fact for fact in facts if fact.reliable), None)


# --- CRL


@dataclass(frozen=True, slots=True, eq=False)
class _Crl:
    parsed: x509.CertificateRevocationList
    digest: bytes
    issuer: bytes
    this_update: datetime
    next_update: datetime | None
    point: x509.IssuingDistributionPoint | None
    keeps_expired_since: datetime | None
    algorithm: SignatureAlgorithm


@lru_cache(maxsize=128)
def _load_crl(der: bytes) -> _Crl | None:
    """None where the CRL cannot be read or is of a kind that says nothing here."""
    if len(der) > MAXIMUM_LENGTH:
        return None
    try:
        parsed = x509.load_der_x509_crl(der)
        point = None
        keeps = None
        for extension in parsed.extensions:
            if extension.oid == _DELTA:
                return None
            if extension.oid == _ISSUING_DISTRIBUTION_POINT:
                point = extension.value
            elif extension.oid == _EXPIRED_CERTIFICATES_ON_CRL:
                value = extension.value
                keeps = _generalized_time(value.value) if isinstance(value, x509.UnrecognizedExtension) else None
            elif extension.critical:
                return None
        return _Crl(
            parsed,
            hashlib.sha256(der).digest(),
            _crl_issuer(der),
            parsed.last_update_utc,
            parsed.next_update_utc,
            point if isinstance(point, x509.IssuingDistributionPoint) else None,
            keeps,
            split_signed(der).algorithm,
        )
    except Exception:  # noqa: BLE001 - parsers of hostile bytes raise whatever they like; unread is unknown
        return None


def _crl_issuer(der: bytes) -> bytes:
    _, start, end, _ = tlv.read(der)
    _, start, end, _ = tlv.read(der, start, end)
    fields = [part for _, part in zip(range(3), tlv.children(der, start, end), strict=False)]
    if fields[0][0] == 0x02:
        fields = fields[1:]
    return der[fields[1][1] : fields[1][2]]


def _generalized_time(value: bytes) -> datetime | None:
    """A DER GeneralizedTime; None, which is the stricter reading, where it cannot be read."""
    try:
        return datetime.strptime(value[2:].decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _crl_facts(certificate: Certificate, issuer: Certificate, der: bytes, limit: datetime) -> Iterator[RevocationFact]:
    crl = _load_crl(der)
    if crl is None or not same_name(crl.issuer, certificate.issuer):
        return
    if issuer.key_usage is not None and "crl_sign" not in issuer.key_usage:
        return
    if not _in_scope(crl.point, certificate):
        return
    if not is_signed_by(der, crl.digest, issuer.public_key, issuer.public_key_info):
        return
    entry = crl.parsed.get_revoked_certificate_by_serial_number(certificate.serial)
    status, revoked_at, reason = CertificateStatus.GOOD, None, None
    if entry is not None:
        status, revoked_at = CertificateStatus.REVOKED, entry.revocation_date_utc
        reason = _entry_reason(entry)
    doubts = _timing_doubts(certificate, issuer, crl.this_update, crl.this_update, limit)
    since = crl.keeps_expired_since
    if status is CertificateStatus.GOOD and certificate.not_after < crl.this_update:
        kept = since is not None and certificate.not_after >= since
        if not kept:
            doubts.append(Doubt.CERTIFICATE_HAD_EXPIRED)
    yield RevocationFact(
        "crl",
        crl.digest,
        status,
        revoked_at,
        reason,
        crl.this_update,
        crl.next_update,
        crl.this_update,
        issuer.der,
        crl.algorithm,
        tuple(doubts),
    )


def _entry_reason(entry: x509.RevokedCertificate) -> str:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.name
    except (x509.ExtensionNotFound, ValueError):
        return "unspecified"


def _in_scope(point: x509.IssuingDistributionPoint | None, certificate: Certificate) -> bool:
    """RFC 5280 clause 6.3.3 (b): the CRL's scope holds the certificate, for all reasons."""
    if point is None:
        return True
    if point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs:
        return False
    if point.only_contains_user_certs and certificate.is_ca:
        return False
    if point.only_contains_ca_certs and not certificate.is_ca:
        return False
    if point.relative_name is not None:
        return False
    return point.full_name is None or bool(set(point.full_name) & _distribution_points(certificate.der))


@lru_cache(maxsize=1024)
def _distribution_points(der: bytes) -> frozenset[x509.GeneralName]:
    try:
        extensions = x509.load_der_x509_certificate(der).extensions
        points = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return frozenset()
    return frozenset(
        name for item in points if not item.crl_issuer and not item.reasons for name in item.full_name or ()
    )


def _timing_doubts(
    certificate: Certificate,
    issuer: Certificate,
    this_update: datetime,
    produced_at: datetime,
    limit: datetime,
) -> list[Doubt]:
    doubts = []
    if this_update > limit:
        doubts.append(Doubt.ISSUED_LATER)
    if this_update < certificate.not_before - CLOCK_SKEW:
        doubts.append(Doubt.ISSUED_BEFORE_CERTIFICATE)
    if not issuer.not_before - CLOCK_SKEW <= produced_at <= issuer.not_after:
        doubts.append(Doubt.ISSUER_NOT_VALID_THEN)
    return doubts


# --- OCSP


@dataclass(frozen=True, slots=True)
class _Single:
    """One SingleResponse. ``cutoff`` is its archive cutoff (RFC 6960 clause 4.4.4)."""

    hash_algorithm: str
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial: int
    status: CertificateStatus
    revoked_at: datetime | None
    reason: str | None
    this_update: datetime
    next_update: datetime | None
    cutoff: datetime | None


@dataclass(frozen=True, slots=True, eq=False)
class _Ocsp:
    """One successful answer; ``basic`` is the DER of its BasicOCSPResponse."""

    basic: bytes
    digest: bytes
    basic_digest: bytes
    produced_at: datetime
    responder_name: bytes | None
    responder_key_hash: bytes | None
    certificates: tuple[bytes, ...]
    singles: tuple[_Single, ...]
    algorithm: SignatureAlgorithm


@lru_cache(maxsize=1024)
def _load_ocsp(der: bytes) -> _Ocsp | None:
    """None where the answer is no successful one or cannot be read. asn1crypto reads what is not quite DER, too:
    real responders encode default values."""
    if len(der) > MAXIMUM_LENGTH:
        return None
    try:
        if ocsp.OCSPResponse.load(der)["response_status"].native != "successful":
            return None
        basic = _basic_response(der)
        data = ocsp.BasicOCSPResponse.load(basic)["tbs_response_data"]
        if any(extension["critical"].native for extension in data["response_extensions"] or ()):
            return None
        responder = data["responder_id"]
        by_name = responder.name == "by_name"
        return _Ocsp(
            basic,
            hashlib.sha256(der).digest(),
            hashlib.sha256(basic).digest(),
            data["produced_at"].native.astimezone(UTC),
            responder.chosen.untag().dump() if by_name else None,
            None if by_name else bytes(responder.chosen.native),
            _certificates(basic),
            tuple(_single(item) for _, item in zip(range(1000), data["responses"], strict=False)),
            split_signed(basic).algorithm,
        )
    except Exception:  # noqa: BLE001 - parsers of hostile bytes raise whatever they like; unread is unknown
        return None


def _single(item: Any) -> _Single:
    identifier, status = item["cert_id"], item["cert_status"]
    revoked_at = reason = cutoff = None
    verdict = CertificateStatus.UNKNOWN
    if status.name == "good":
        verdict = CertificateStatus.GOOD
    elif status.name == "revoked":
        verdict = CertificateStatus.REVOKED
        revoked_at = status.chosen["revocation_time"].native.astimezone(UTC)
        reason = status.chosen["revocation_reason"].native or "unspecified"
    for extension in item["single_extensions"] or ():
        if extension["extn_id"].dotted == _ARCHIVE_CUTOFF:
            cutoff = _generalized_time(bytes(extension["extn_value"]))
        elif extension["critical"].native:
            raise FormatError("an OCSP answer has an unknown critical extension")
    next_update = item["next_update"].native
    return _Single(
        identifier["hash_algorithm"]["algorithm"].native,
        bytes(identifier["issuer_name_hash"]),
        bytes(identifier["issuer_key_hash"]),
        identifier["serial_number"].native,
        verdict,
        revoked_at,
        reason,
        item["this_update"].native.astimezone(UTC),
        None if next_update is None else next_update.astimezone(UTC),
        cutoff,
    )


def _basic_response(der: bytes) -> bytes:
    """OCSPResponse { status, [0] { responseType, OCTET STRING basic } } (RFC 6960 clause 4.2.1)."""
    _, start, end, _ = tlv.read(der)
    _, _, _, after_status = tlv.read(der, start, end)
    _, start, end, _ = tlv.read(der, after_status, end)
    _, start, end, _ = tlv.read(der, start, end)
    _, _, _, after_type = tlv.read(der, start, end)
    _, start, end, _ = tlv.read(der, after_type, end)
    return der[start:end]


def _certificates(basic: bytes) -> tuple[bytes, ...]:
    _, start, end, _ = tlv.read(basic)
    for tag, first, last in tlv.children(basic, start, end, 4):
        if tag == 0xA0:
            _, start, end, _ = tlv.read(basic, first, last)
            _, start, end, _ = tlv.read(basic, start, end)
            return tuple(basic[a:b] for _, a, b in tlv.children(basic, start, end, 100))
    return ()


def _ocsp_facts(
    certificate: Certificate,
    issuer: Certificate,
    der: bytes,
    data: RevocationData,
    moment: datetime,
    limit: datetime,
    depth: int,
) -> Iterator[RevocationFact]:
    answer = _load_ocsp(der)
    if answer is None:
        return
    singles = [item for item in answer.singles if _is_about(item, certificate, issuer)]
    if not singles:
        return
    responder = _responder(answer, issuer)
    if responder is None:
        return
    responder_facts: tuple[RevocationFact, ...] = ()
    responder_doubts: list[Doubt] = []
    if responder.der != issuer.der and OCSP_NO_CHECK not in responder.extensions:
        # RFC 6960 clause 4.2.2.2.1: a delegated responder without id-pkix-ocsp-nocheck is checked itself;
        # by CRLs only, an answer about its own signer would turn in a circle.
        if depth == 0:
            responder_facts = revocation_facts(responder, issuer, RevocationData(data.crls), moment, limit, depth + 1)
        fact = decisive_fact(responder_facts, moment)
        if fact is None:
            responder_doubts.append(Doubt.RESPONDER_NOT_CHECKED)
        elif fact.revoked_by(moment):
            responder_doubts.append(Doubt.RESPONDER_REVOKED)
    for single in singles:
        fact = _single_fact(single, answer, certificate, responder, limit)
        yield replace(fact, doubts=fact.doubts + tuple(responder_doubts), responder_facts=responder_facts)


def _single_fact(
    single: _Single, answer: _Ocsp, certificate: Certificate, responder: Certificate, limit: datetime
) -> RevocationFact:
    doubts = _timing_doubts(certificate, responder, single.this_update, answer.produced_at, limit)
    if single.status is CertificateStatus.UNKNOWN:
        doubts.append(Doubt.STATUS_UNKNOWN)
    if single.status is CertificateStatus.GOOD and certificate.not_after < single.this_update:
        kept = single.cutoff is not None and certificate.not_after >= single.cutoff
        if not kept:
            doubts.append(Doubt.CERTIFICATE_HAD_EXPIRED)
    return RevocationFact(
        "ocsp",
        answer.digest,
        single.status,
        single.revoked_at,
        single.reason,
        single.this_update,
        single.next_update,
        answer.produced_at,
        responder.der,
        answer.algorithm,
        tuple(doubts),
    )


def _is_about(single: _Single, certificate: Certificate, issuer: Certificate) -> bool:
    if single.serial != certificate.serial:
        return False
    return (single.issuer_name_hash, single.issuer_key_hash) in (
        _issuer_hashes(certificate.issuer, issuer, single.hash_algorithm),
        _issuer_hashes(issuer.subject, issuer, single.hash_algorithm),
    )


def _issuer_hashes(name: bytes, issuer: Certificate, algorithm: str) -> tuple[bytes, bytes] | None:
    try:
        return (
            hashlib.new(algorithm, name, usedforsecurity=False).digest(),
            hashlib.new(algorithm, _key_bits(issuer.public_key_info), usedforsecurity=False).digest(),
        )
    except ValueError:
        return None


def _key_bits(public_key_info: bytes) -> bytes:
    _, start, end, _ = tlv.read(public_key_info)
    _, _, _, after_algorithm = tlv.read(public_key_info, start, end)
    _, start, end, _ = tlv.read(public_key_info, after_algorithm, end)
    return public_key_info[start + 1 : end]


def _responder(answer: _Ocsp, issuer: Certificate) -> Certificate | None:
    """The issuer itself, or a responder whom it authorised (RFC 6960 clause 4.2.2.2), that signed the answer."""
    for der in (issuer.der, *answer.certificates):
        try:
            candidate = load_certificate(der)
        except FormatError:
            continue
        if not _is_named(answer, candidate):
            continue
        if candidate.der != issuer.der:
            if candidate.public_key_info != issuer.public_key_info or candidate.subject != issuer.subject:
                if OCSP_SIGNING not in (candidate.extended_key_usage or ()):
                    continue
                if not same_name(candidate.issuer, issuer.subject):
                    continue
                if not is_signed_by(candidate.der, candidate.sha256, issuer.public_key, issuer.public_key_info):
                    continue
            else:
                candidate = issuer
        if is_signed_by(answer.basic, answer.basic_digest, candidate.public_key, candidate.public_key_info):
            return candidate
    return None


def _is_named(answer: _Ocsp, candidate: Certificate) -> bool:
    if answer.responder_name is not None:
        return same_name(answer.responder_name, candidate.subject)
    digest = hashlib.sha1(_key_bits(candidate.public_key_info), usedforsecurity=False).digest()
    return answer.responder_key_hash == digest

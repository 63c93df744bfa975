"""OCSP answers (RFC 6960): by the issuer itself, or by a responder whom the issuer authorised."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from asn1crypto import algos, ocsp

from zdda.model.byte_cache import ByteCache
from zdda.signatures import der as tlv
from zdda.signatures.certificates import KNOWN_CRITICAL, OCSP_NO_CHECK, Certificate, load_certificate, same_name
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.signatures.signed_structure import is_signed_by, split_signed
from zdda.trust.revocation_model import (
    CertificateStatus,
    Doubt,
    RevocationFact,
    doubts_of_signer,
    generalized_time,
    timing_doubts,
)

OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
_ARCHIVE_CUTOFF = "1.3.6.1.5.5.7.48.1.6"
_CERTIFICATE_HASH = "1.3.36.8.3.13"
"""certHash of Common PKI : which certificate the responder knows, not only which number."""
_UNDERSTOOD = frozenset({_ARCHIVE_CUTOFF, _CERTIFICATE_HASH, "1.3.6.1.5.5.7.48.1.2", "1.3.6.1.5.5.7.48.1.9"})
"""Also the nonce, which matters to whoever asked, and extended-revoke (RFC 6960 clause 4.4.8)."""
_UNDERSTOOD_IN_RESPONDER = KNOWN_CRITICAL | {OCSP_NO_CHECK}
_SIGNING = frozenset({"digital_signature", "content_commitment"})
_HASHES = frozenset({"sha1", "sha224", "sha256", "sha384", "sha512", "sha3_224", "sha3_256", "sha3_384", "sha3_512"})
_MAXIMUM_ANSWER = 4 * 1024 * 1024
_REMEMBERED = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Single:
    """One SingleResponse. ``cutoff`` is its archive cutoff (RFC 6960 clause 4.4.4), ``certificate_hash`` its certHash:
    algorithm and value."""

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
    certificate_hash: tuple[str, bytes] | None


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


_answers: ByteCache[bytes, _Ocsp | str] = ByteCache(_REMEMBERED)


def _load_ocsp(der: bytes) -> _Ocsp | None:
    """None where the answer is no successful one or cannot be read. The key is the very bytes."""
    if len(der) > _MAXIMUM_ANSWER:
        return None
    # Certificates, singles and the answer itself: what is taken apart weighs a few times the bytes.
    found = _answers.get(der, lambda: _read(der), lambda answer: 4 * len(der) + 4096)
    return found if isinstance(found, _Ocsp) else None


def _read(der: bytes) -> _Ocsp | str:
    """asn1crypto reads what is not quite DER, too: real responders encode default values."""
    try:
        if ocsp.OCSPResponse.load(der)["response_status"].native != "successful":
            return "unsuccessful"
        basic = _basic_response(der)
        data = ocsp.BasicOCSPResponse.load(basic)["tbs_response_data"]
        if any(_is_odd(extension) for extension in data["response_extensions"] or ()):
            return "unknown critical extension"
        responder = data["responder_id"]
        by_name = responder.name == "by_name"
        return _Ocsp(
            basic,
            hashlib.sha256(der).digest(),
            hashlib.sha256(basic).digest(),
            tlv.in_utc(data["produced_at"].native),
            responder.chosen.untag().dump() if by_name else None,
            None if by_name else bytes(responder.chosen.native),
            _certificates(basic),
            tuple(_single(item) for _, item in zip(range(1000), data["responses"], strict=False)),
            split_signed(basic).algorithm,
        )
    except MemoryError:
        raise  # the machine is at fault, not the bytes
    except Exception as error:  # noqa: BLE001 - parsers of hostile bytes raise whatever they like; unread is unknown
        return type(error).__name__


def _is_odd(extension: Any) -> bool:
    return bool(extension["critical"].native) and extension["extn_id"].dotted not in _UNDERSTOOD


def _single(item: Any) -> _Single:
    identifier, status = item["cert_id"], item["cert_status"]
    revoked_at = reason = cutoff = certificate_hash = None
    verdict = CertificateStatus.UNKNOWN
    if status.name == "good":
        verdict = CertificateStatus.GOOD
    elif status.name == "revoked":
        verdict = CertificateStatus.REVOKED
        revoked_at = tlv.in_utc(status.chosen["revocation_time"].native)
        reason = status.chosen["revocation_reason"].native or "unspecified"
    for extension in item["single_extensions"] or ():
        if extension["extn_id"].dotted == _ARCHIVE_CUTOFF:
            cutoff = generalized_time(bytes(extension["extn_value"]))
            if cutoff is None and extension["critical"].native:
                raise FormatError("an OCSP answer has an unreadable critical extension")
        elif extension["extn_id"].dotted == _CERTIFICATE_HASH:
            info = algos.DigestInfo.load(bytes(extension["extn_value"]))
            certificate_hash = (info["digest_algorithm"]["algorithm"].native, info["digest"].native)
        elif _is_odd(extension):
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
        tlv.in_utc(item["this_update"].native),
        None if next_update is None else tlv.in_utc(next_update),
        cutoff,
        certificate_hash,
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


ResponderFacts = Callable[[Certificate, Certificate], tuple[RevocationFact, ...]]
"""What is known of a delegated responder's own certificate, given the CA that issued it; nothing where it would turn
in a circle."""


def ocsp_facts(
    certificate: Certificate,
    issuer: Certificate,
    der: bytes,
    moment: datetime,
    limit: datetime,
    about_responder: ResponderFacts,
    above: Sequence[Certificate] = (),
) -> Iterator[RevocationFact]:
    """``above``: the CAs over ``issuer`` in the path, which may have authorised a responder for all below them."""
    answer = _load_ocsp(der)
    if answer is None:
        return
    singles = [item for item in answer.singles if _is_about(item, certificate, issuer)]
    if not singles:
        return
    found = _responder(answer, issuer, above)
    if found is None:
        return
    responder, authority = found
    responder_facts: tuple[RevocationFact, ...] = ()
    responder_doubts: list[Doubt] = []
    if responder.der != issuer.der and OCSP_NO_CHECK not in responder.extensions:
        # RFC 6960 clause 4.2.2.2.1: a delegated responder without id-pkix-ocsp-nocheck is checked itself.
        responder_facts = about_responder(responder, authority)
        responder_doubts.extend(doubts_of_signer(responder_facts, moment))
    for single in singles:
        fact = _single_fact(single, answer, certificate, responder, limit)
        yield replace(fact, doubts=fact.doubts + tuple(responder_doubts), responder_facts=responder_facts)


def _single_fact(
    single: _Single, answer: _Ocsp, certificate: Certificate, responder: Certificate, limit: datetime
) -> RevocationFact:
    doubts = timing_doubts(certificate, responder, single.this_update, answer.produced_at, limit)
    if single.status is CertificateStatus.UNKNOWN:
        doubts.append(Doubt.STATUS_UNKNOWN)
    if single.certificate_hash is not None and not _is_hash_of(single.certificate_hash, certificate):
        doubts.append(Doubt.OTHER_CERTIFICATE)
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
        responder,
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


def _is_hash_of(stated: tuple[str, bytes], certificate: Certificate) -> bool:
    algorithm, value = stated
    return algorithm in _HASHES and hashlib.new(algorithm, certificate.der, usedforsecurity=False).digest() == value


def _issuer_hashes(name: bytes, issuer: Certificate, algorithm: str) -> tuple[bytes, bytes] | None:
    if algorithm not in _HASHES:
        return None
    return (
        hashlib.new(algorithm, name, usedforsecurity=False).digest(),
        hashlib.new(algorithm, _key_bits(issuer.public_key_info), usedforsecurity=False).digest(),
    )


def _key_bits(public_key_info: bytes) -> bytes:
    _, start, end, _ = tlv.read(public_key_info)
    _, _, _, after_algorithm = tlv.read(public_key_info, start, end)
    _, start, end, _ = tlv.read(public_key_info, after_algorithm, end)
    return public_key_info[start + 1 : end]


def _responder(
    answer: _Ocsp, issuer: Certificate, above: Sequence[Certificate]
) -> tuple[Certificate, Certificate] | None:
    """(who signed the answer, who authorised it): the issuer itself, a responder whom the issuer authorised, or one
    whom a CA above it in the path did (RFC 6960 clause 4.2.2.2, numbers 2, 3 and 1)."""
    for der in (issuer.der, *answer.certificates):
        try:
            candidate = load_certificate(der)
        except FormatError:
            continue
        if not _is_named(answer, candidate):
            continue
        authority: Certificate | None = issuer
        if candidate.der != issuer.der:
            if candidate.public_key_info == issuer.public_key_info and candidate.subject == issuer.subject:
                candidate = issuer
            else:
                authority = next((ca for ca in (issuer, *above) if _authorised(candidate, ca)), None)
        if authority is not None and is_signed_by(
            answer.basic, answer.basic_digest, candidate.public_key, candidate.public_key_info
        ):
            return candidate, authority
    return None


def _authorised(responder: Certificate, authority: Certificate) -> bool:
    """A responder's certificate is held to what clause 6.1 asks of any: nothing critical in it that is not understood,
    and a key that is for signing (RFC 5280 clauses 4.2 and 4.2.1.12)."""
    return (
        OCSP_SIGNING in (responder.extended_key_usage or ())
        and responder.critical_extensions <= _UNDERSTOOD_IN_RESPONDER
        and (responder.key_usage is None or not responder.key_usage.isdisjoint(_SIGNING))
        and same_name(responder.issuer, authority.subject)
        and is_signed_by(responder.der, responder.sha256, authority.public_key, authority.public_key_info)
    )


def _is_named(answer: _Ocsp, candidate: Certificate) -> bool:
    if answer.responder_name is not None:
        return same_name(answer.responder_name, candidate.subject)
    try:
        key = _key_bits(candidate.public_key_info)
    except FormatError:
        return False  # a certificate that came with the answer: its key is no key
    digest = hashlib.sha1(key, usedforsecurity=False).digest()
    return answer.responder_key_hash == digest

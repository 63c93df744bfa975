"""Certificate revocation lists (RFC 5280 clauses 5 and 6.3): complete, delta, indirect and partitioned ones.

A list of some reasons only (onlySomeReasons) tells who is revoked, never by itself who is not. Unknown critical
extensions, of the list or of any entry, make a list say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from zdda.signatures.certificates import KNOWN_CRITICAL, Certificate, same_name
from zdda.signatures.errors import FormatError
from zdda.signatures.signed_structure import is_signed_by
from zdda.trust.crl_entries import CrlEntry
from zdda.trust.crl_reader import Crl, load_crl
from zdda.trust.crl_scope import Scope, names_issuer_of_list, scope_of
from zdda.trust.revocation_model import (
    CertificateStatus,
    Doubt,
    RevocationFact,
    doubts_of_signer,
    timing_doubts,
)

_REMOVED = "remove_from_crl"


def crl_facts(
    certificate: Certificate,
    issuer: Certificate,
    lists: Sequence[bytes],
    moment: datetime,
    limit: datetime,
    others: Sequence[Certificate] = (),
) -> Iterator[RevocationFact]:
    """What ``lists`` (DER) say of ``certificate``, which ``issuer`` issued. ``limit``: the latest thisUpdate accepted.

    ``others``: certificates among which the issuer of an indirect CRL may be. It is believed where the certificate's
    own distribution point names it, its certificate may sign CRLs and was signed by the same CA key (clause 6.3.3 f),
    and is checked itself.
    """
    usable = []
    for der in lists:
        crl = load_crl(der)
        if crl is None:
            continue
        scope = scope_of(crl.point, certificate, crl.issuer)
        if scope is None:
            continue
        signer = _signer(crl, certificate, issuer, others)
        if signer is not None:
            usable.append((crl, scope, signer))
    deltas = [each for each in usable if each[0].base_number is not None]
    for crl, scope, signer in usable:
        try:
            facts = list(_facts_of(crl, scope, signer, deltas, certificate, issuer, limit))
        except FormatError:
            continue
        yield from facts if signer.der == issuer.der else _checked(facts, signer, issuer, lists, moment, limit)


def _signer(
    crl: Crl, certificate: Certificate, issuer: Certificate, others: Sequence[Certificate]
) -> Certificate | None:
    if same_name(crl.issuer, certificate.issuer):
        candidates: Iterable[Certificate] = (issuer,)
    elif crl.indirect and names_issuer_of_list(certificate, crl.issuer):
        candidates = (
            each
            for each in others
            if same_name(each.subject, crl.issuer)
            and each.critical_extensions <= KNOWN_CRITICAL
            and (each.der == issuer.der or same_name(each.issuer, issuer.subject))
            and is_signed_by(each.der, each.sha256, issuer.public_key, issuer.public_key_info)
        )
    else:
        return None
    for each in candidates:
        if each.key_usage is not None and "crl_sign" not in each.key_usage:
            continue
        if is_signed_by(crl.der, crl.digest, each.public_key, each.public_key_info):
            return each
    return None


_Usable = tuple[Crl, Scope, Certificate]


def _facts_of(
    crl: Crl,
    scope: Scope,
    signer: Certificate,
    deltas: Sequence[_Usable],
    certificate: Certificate,
    issuer: Certificate,
    limit: datetime,
) -> Iterator[RevocationFact]:
    entry = _entry(crl, certificate)
    if crl.base_number is not None:
        # A delta alone is no answer to "not revoked"; what it revokes is revoked (clause 5.2.4).
        if entry is not None and entry.reason != _REMOVED:
            yield _fact(crl, entry, scope, signer, certificate, limit)
        return
    base = _fact(crl, entry, scope, signer, certificate, limit)
    yield base
    for delta, _, delta_signer in deltas:
        if delta_signer.der != signer.der or not delta.updates(crl):
            continue
        changed = _entry(delta, certificate)
        if changed is not None and changed.reason != _REMOVED:
            continue  # told above
        removed = changed is not None and entry is not None and entry.reason == "certificate_hold"
        told = _fact(delta, None if removed else entry, scope, signer, certificate, limit)
        # Whoever had expired when either was issued may have been left out of both.
        doubts = tuple(dict.fromkeys((*told.doubts, *(each for each in base.doubts if each is not Doubt.ISSUED_LATER))))
        yield replace(told, doubts=doubts, supporting=(crl.digest,))


def _entry(crl: Crl, certificate: Certificate) -> CrlEntry | None:
    """The gravest entry about the certificate: a revocation for good before a hold, the earliest first.

    Raises ``FormatError`` for a list that cannot be used.
    """
    if crl.entries is None:
        return None
    if crl.entries.unknown_critical:
        raise FormatError("a CRL entry has an unknown critical extension")
    found = [
        entry
        for entry in crl.entries.of(certificate.serial)
        if same_name(entry.issuer or crl.issuer, certificate.issuer)
    ]
    lighter = ("certificate_hold", _REMOVED)
    return min(found, key=lambda entry: (entry.reason in lighter, entry.revoked_at), default=None)


def _fact(
    crl: Crl, entry: CrlEntry | None, scope: Scope, signer: Certificate, certificate: Certificate, limit: datetime
) -> RevocationFact:
    status = CertificateStatus.GOOD if entry is None else CertificateStatus.REVOKED
    doubts = timing_doubts(certificate, signer, crl.this_update, crl.this_update, limit)
    if status is CertificateStatus.GOOD:
        if not scope.all_reasons:
            doubts.append(Doubt.SOME_REASONS_ONLY)
        since = crl.keeps_expired_since
        if certificate.not_after < crl.this_update and not (since is not None and certificate.not_after >= since):
            doubts.append(Doubt.CERTIFICATE_HAD_EXPIRED)
    return RevocationFact(
        "crl",
        crl.digest,
        status,
        None if entry is None else entry.revoked_at,
        None if entry is None else entry.reason,
        crl.this_update,
        crl.next_update,
        crl.this_update,
        signer,
        crl.algorithm,
        tuple(doubts),
    )


def _checked(
    facts: Iterable[RevocationFact],
    signer: Certificate,
    issuer: Certificate,
    lists: Sequence[bytes],
    moment: datetime,
    limit: datetime,
) -> Iterator[RevocationFact]:
    """The facts of a CRL issuer that is not the CA, with what the CA's own lists say of it."""
    about = tuple(
        sorted(crl_facts(signer, issuer, lists, moment, limit), key=lambda fact: fact.this_update, reverse=True)
    )
    doubt = doubts_of_signer(about, moment)
    for fact in facts:
        yield replace(fact, doubts=fact.doubts + doubt, responder_facts=about)

"""Revocation data: what CRLs (RFC 5280 clause 6.3) and OCSP answers (RFC 6960) say of one certificate.

Facts only: whether they suffice is for the caller's policy. Anything not understood says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from zdda.signatures.certificates import Certificate
from zdda.trust.certificate_lists import crl_facts
from zdda.trust.ocsp_answers import ocsp_facts
from zdda.trust.revocation_model import (
    CLOCK_SKEW,
    CertificateStatus,
    Doubt,
    RevocationData,
    RevocationFact,
    decisive_fact,
)

__all__ = [
    "CLOCK_SKEW",
    "CertificateStatus",
    "Doubt",
    "RevocationData",
    "RevocationFact",
    "decisive_fact",
    "revocation_facts",
]


def revocation_facts(
    certificate: Certificate,
    issuer: Certificate,
    data: RevocationData,
    moment: datetime,
    latest: datetime | None = None,
    others: Sequence[Certificate] = (),
    above: Sequence[Certificate] = (),
) -> tuple[RevocationFact, ...]:
    """All that ``data`` says of ``certificate``, the newest first.

    ``latest``: the latest thisUpdate accepted, by default five minutes after ``moment``. ``others``: certificates
    among which the issuer of an indirect CRL may be. ``above``: the CAs over ``issuer`` in the path.
    """
    limit = moment + CLOCK_SKEW if latest is None else latest
    facts: list[RevocationFact] = []

    def about_responder(responder: Certificate, authority: Certificate) -> tuple[RevocationFact, ...]:
        # By CRLs only: an answer about its own signer would turn in a circle.
        found = crl_facts(responder, authority, data.crls, moment, limit, others)
        return tuple(sorted(found, key=lambda fact: fact.this_update, reverse=True))

    for der in data.ocsps:
        facts.extend(ocsp_facts(certificate, issuer, der, moment, limit, about_responder, above))
    facts.extend(crl_facts(certificate, issuer, data.crls, moment, limit, others))
    facts.sort(key=lambda fact: (fact.this_update, fact.produced_at), reverse=True)
    return tuple(facts)

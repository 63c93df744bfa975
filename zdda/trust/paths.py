"""Certification paths (RFC 5280 clause 6) at an explicit moment, from what is given: nothing is fetched.

What clause 6.1 asks apart from validity periods and revocation is in ``path_constraints``; those two are facts with
times here: a caller after EN 319 102-1 needs each by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from zdda.signatures.certificates import (
    NO_REV_AVAIL,
    OCSP_NO_CHECK,
    VALIDITY_ASSURED_SHORT_TERM,
    Certificate,
    load_certificate,
    same_name,
)
from zdda.signatures.errors import FormatError
from zdda.signatures.signed_structure import is_signed_by
from zdda.trust.anchors import TrustAnchors
from zdda.trust.path_constraints import constraint_failure
from zdda.trust.revocation import RevocationData, RevocationFact, decisive_fact, revocation_facts

MAXIMUM_LENGTH = 10
MAXIMUM_PATHS = 16
MAXIMUM_CERTIFICATES = 500


class PathStatus(StrEnum):
    """The worst that is known of a path, worst first after NO_PATH."""

    VALID = "valid"
    NO_PATH = "no-path"
    CONSTRAINTS = "constraints"
    REVOKED = "revoked"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    REVOCATION_UNKNOWN = "revocation-unknown"


class RequiredRevocation(StrEnum):
    """For which certificates below the anchor the status must be known."""

    ALL = "all"
    LEAF = "leaf"
    NONE = "none"


@dataclass(frozen=True, slots=True, eq=False)
class PathCertificate:
    """One certificate of a path; ``revocation`` is empty for the anchor. ``revocation_exempt``: the
    certificate itself says that none is issued (noRevAvail, ETSI validity-assured short term). ``trusted_until``,
    of an anchor: the day its trust ended (a service withdrawn from a trusted list), None while it lasts."""

    certificate: Certificate
    is_anchor: bool
    revocation: tuple[RevocationFact, ...]
    revocation_exempt: bool
    trusted_until: datetime | None = None

    def valid_at(self, moment: datetime) -> bool:
        return self.certificate.not_before <= moment <= self.certificate.not_after

    def decisive(self, moment: datetime) -> RevocationFact | None:
        return decisive_fact(self.revocation, moment)


@dataclass(frozen=True, slots=True, eq=False)
class PathResult:
    """What was found for one certificate at ``moment``.

    ``path``: DER from the certificate to the anchor, or None. ``members``: the same, as facts; where no
    anchor was reached, the longest chain that could be built. ``revoked_at``, ``revocation_reason``,
    ``revoked_certificate`` (DER): of the first revoked certificate seen from the anchor. ``used_revocation``:
    SHA-256 of the CRLs and OCSP answers that decided.
    """

    moment: datetime
    status: PathStatus
    path: tuple[bytes, ...] | None
    members: tuple[PathCertificate, ...]
    messages: tuple[str, ...] = ()
    constraint_failure: str | None = None
    revoked_at: datetime | None = None
    revocation_reason: str | None = None
    revoked_certificate: bytes | None = None
    used_revocation: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        raise TypeError("a PathResult is not a truth value: read its status")


def validate_path(
    certificate: bytes,
    intermediates: Sequence[bytes],
    anchors: TrustAnchors,
    moment: datetime,
    revocation: RevocationData,
    required: RequiredRevocation = RequiredRevocation.ALL,
    latest_revocation: datetime | None = None,
) -> PathResult:
    """Builds and checks paths from ``certificate`` to an anchor; the best one is reported.

    A certificate that is an anchor itself is VALID by that alone. An anchor's own validity period and
    revocation do not count (RFC 5280 clause 6.1). ``latest_revocation``: the latest thisUpdate that counts,
    by default five minutes after ``moment``; give the present for moments in the past.
    Raises ``FormatError`` where ``certificate`` is none; unreadable intermediates are left out.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    leaf = load_certificate(certificate)
    pool = _pool(intermediates, anchors)
    best: PathResult | None = None
    for chain in _chains(leaf, pool, anchors):
        result = _judge(chain, pool, moment, revocation, required, latest_revocation)
        if best is None or _RANK[result.status] < _RANK[best.status]:
            best = result
        if best.status is PathStatus.VALID:
            break
    if best is not None:
        return best
    partial = _longest(leaf, pool)
    members = tuple(PathCertificate(member, False, (), False) for member in partial)
    return PathResult(moment, PathStatus.NO_PATH, None, members, ("no path to a trust anchor could be built",))


_RANK = {
    PathStatus.VALID: 0,
    PathStatus.REVOCATION_UNKNOWN: 1,
    PathStatus.EXPIRED: 2,
    PathStatus.NOT_YET_VALID: 3,
    PathStatus.REVOKED: 4,
    PathStatus.CONSTRAINTS: 5,
    PathStatus.NO_PATH: 6,
}


def _pool(intermediates: Sequence[bytes], anchors: TrustAnchors) -> tuple[Certificate, ...]:
    found: dict[bytes, Certificate] = {}
    for der in (*anchors.ordered, *intermediates[:MAXIMUM_CERTIFICATES]):
        try:
            certificate = load_certificate(der)
        except FormatError:
            continue
        found.setdefault(certificate.sha256, certificate)
    return tuple(found.values())


def _issuers(certificate: Certificate, pool: Sequence[Certificate]) -> list[Certificate]:
    """Who signed it, those first whose key identifier agrees. Anchors precede intermediates in the pool."""
    found = [
        other
        for other in pool
        if same_name(other.subject, certificate.issuer)
        and is_signed_by(certificate.der, certificate.sha256, other.public_key, other.public_key_info)
    ]
    wanted = certificate.authority_key_identifier
    found.sort(key=lambda other: wanted is not None and other.key_identifier != wanted)
    return found


def _chains(leaf: Certificate, pool: Sequence[Certificate], anchors: TrustAnchors) -> Iterator[tuple[Certificate, ...]]:
    """At most 16 chains of at most 10 certificates that end in an anchor, depth first."""
    if leaf.der in anchors:
        yield (leaf,)
        return
    stack: list[tuple[Certificate, ...]] = [(leaf,)]
    given = tried = 0
    while stack and given < MAXIMUM_PATHS and tried < 1000:
        tried += 1
        chain = stack.pop()
        if chain[-1].der in anchors:
            given += 1
            yield chain
            continue
        if len(chain) < MAXIMUM_LENGTH:
            following = [issuer for issuer in _issuers(chain[-1], pool) if issuer not in chain]
            stack.extend((*chain, issuer) for issuer in reversed(following))


def _longest(leaf: Certificate, pool: Sequence[Certificate]) -> tuple[Certificate, ...]:
    chain: tuple[Certificate, ...] = (leaf,)
    while len(chain) < MAXIMUM_LENGTH:
        following = [issuer for issuer in _issuers(chain[-1], pool) if issuer not in chain]
        if not following:
            break
        chain = (*chain, following[0])
    return chain


def _judge(
    chain: tuple[Certificate, ...],
    pool: Sequence[Certificate],
    moment: datetime,
    revocation: RevocationData,
    required: RequiredRevocation,
    latest: datetime | None,
) -> PathResult:
    members = []
    for index, certificate in enumerate(chain[:-1]):
        facts = revocation_facts(certificate, chain[index + 1], revocation, moment, latest, pool, chain[index + 2 :])
        exempt = index == 0 and bool(certificate.extensions & {NO_REV_AVAIL, VALIDITY_ASSURED_SHORT_TERM})
        members.append(PathCertificate(certificate, False, facts, exempt))
    members.append(PathCertificate(chain[-1], True, (), False))
    statuses: set[PathStatus] = set()
    messages: list[str] = []
    failure = constraint_failure(chain)
    if failure is not None:
        statuses.add(PathStatus.CONSTRAINTS)
        messages.append(failure)
    revoked: tuple[datetime | None, str | None, bytes | None] = (None, None, None)
    used: list[bytes] = []
    for index in range(len(chain) - 2, -1, -1):
        member = members[index]
        place = "the certificate" if index == 0 else f"the CA certificate {index} above"
        if moment < member.certificate.not_before:
            statuses.add(PathStatus.NOT_YET_VALID)
            messages.append(f"{place} is not valid yet at the moment asked")
        elif moment > member.certificate.not_after:
            statuses.add(PathStatus.EXPIRED)
            messages.append(f"{place} has expired at the moment asked")
        fact = member.decisive(moment)
        if fact is not None:
            used.extend((fact.digest, *fact.supporting))
        if fact is not None and fact.revoked_by(moment):
            statuses.add(PathStatus.REVOKED)
            messages.append(f"{place} is revoked")
            if revoked[2] is None:
                revoked = (fact.revoked_at, fact.reason, member.certificate.der)
        elif fact is None and not member.revocation_exempt:
            wanted = required is RequiredRevocation.ALL or (required is RequiredRevocation.LEAF and index == 0)
            if wanted:
                statuses.add(PathStatus.REVOCATION_UNKNOWN)
                messages.append(f"the revocation status of {place} is unknown")
    worst = max(statuses, key=_RANK.__getitem__, default=PathStatus.VALID)
    return PathResult(
        moment,
        worst,
        tuple(certificate.der for certificate in chain),
        tuple(members),
        tuple(messages),
        failure,
        *revoked,
        tuple(dict.fromkeys(used)),
    )


__all__ = [
    "OCSP_NO_CHECK",
    "PathCertificate",
    "PathResult",
    "PathStatus",
    "RequiredRevocation",
    "validate_path",
]

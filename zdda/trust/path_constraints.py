"""RFC 5280 clause 6.1 through pyhanko-certvalidator, of which nothing leaves this module: names, basic constraints,
path length, key usage, policies, critical extensions. Validity periods and revocation are judged elsewhere, as facts
with times.

A verdict is remembered by the chain's digests. A *good* one also serves certificates that differ from the one judged in
nothing that the clause looks at: an archive sees the same few CAs and ever new signers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Coroutine, Hashable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from asn1crypto import x509 as asn1_x509
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    AcceptAllAlgorithms,
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.validate import async_validate_path

from zdda.signatures.certificates import Certificate
from zdda.signatures.der import children, read
from zdda.signatures.errors import FormatError

_NO_REVOCATION = CertRevTrustPolicy(
    RevocationCheckingPolicy(RevocationCheckingRule.NO_CHECK, RevocationCheckingRule.NO_CHECK)
)
# Wide enough that no validity period counts: they are judged elsewhere, as facts with times.
_ANY_TIME = timedelta(days=365 * 400)
_NEUTRAL = datetime(2025, 1, 1, tzinfo=UTC)
_REMEMBERED = 4096
_STATEFUL = frozenset({"2.5.29.30", "2.5.29.33", "2.5.29.36", "2.5.29.54"})
"""nameConstraints, policyMappings, policyConstraints, inhibitAnyPolicy: with any of them in a chain, names and policies
of the certificate count. Without, no name is constrained and no explicit policy can become required: explicit_policy
begins with the path's length plus one; each certificate takes one off at most (clauses 6.1.2 d, 6.1.4 h, 6.1.5 a)."""
_failures: OrderedDict[tuple[bytes, ...], str | None] = OrderedDict()
_good: OrderedDict[Hashable, None] = OrderedDict()
_lock = Lock()


def constraint_failure(chain: tuple[Certificate, ...]) -> str | None:
    """What clause 6.1 objects to in a chain from a certificate to its anchor whose names and signatures were checked;
    None where it objects to nothing."""
    if len(chain) == 1:
        return None
    name = tuple(certificate.sha256 for certificate in chain)
    likeness = _likeness(chain)
    with _lock:
        if name in _failures:
            _failures.move_to_end(name)
            return _failures[name]
        if likeness is not None and likeness in _good:
            _good.move_to_end(likeness)
            return None
    failure = _engine(chain)
    with _lock:
        _failures[name] = failure
        if len(_failures) > _REMEMBERED:
            _failures.popitem(last=False)
        # A bad verdict is never shared: one odd certificate must not spoil the others.
        if likeness is not None and failure is None:
            _good[likeness] = None
            if len(_good) > _REMEMBERED:
                _good.popitem(last=False)
    return failure


def _likeness(chain: tuple[Certificate, ...]) -> Hashable | None:
    """All that clause 6.1 looks at, where that is less than the certificate itself: the issuers' digests, and of the
    certificate its issuer's name, its algorithms, which extensions it has and which are critical, and its standing as
    a CA. None where names or policies count, or the certificate is not as plain as that."""
    if any(certificate.extensions & _STATEFUL for certificate in chain):
        return None
    leaf = chain[0]
    if leaf.public_key is None or leaf.self_issued or not _algorithms_agree(leaf.der):
        return None
    return (
        tuple(certificate.sha256 for certificate in chain[1:]),
        leaf.issuer,
        leaf.signature,
        type(leaf.public_key),
        leaf.extensions,
        leaf.critical_extensions,
        leaf.is_ca,
        leaf.path_length,
        leaf.key_usage,
        leaf.extended_key_usage,
        leaf.authority_key_identifier,
    )


def _algorithms_agree(der: bytes) -> bool:
    """Clause 4.1.1.2: the algorithm is the same inside and outside of what is signed."""
    try:
        _, start, end, _ = read(der)
        tbs, outside = [part for _, part in zip(range(2), children(der, start, end, 4), strict=False)]
        _, start, end, _ = read(der, tbs[1], tbs[2])
        fields = [part for _, part in zip(range(3), children(der, start, end, 16), strict=False)]
        inside = fields[2] if fields[0][0] == 0xA0 else fields[1]
    except (FormatError, ValueError, IndexError):
        return False
    return der[inside[1] : inside[2]] == der[outside[1] : outside[2]]


def _engine(chain: tuple[Certificate, ...]) -> str | None:
    try:
        parsed = [asn1_x509.Certificate.load(certificate.der) for certificate in chain]
        path = ValidationPath(CertTrustAnchor(parsed[-1]), interm=parsed[-2:0:-1], leaf=parsed[0])
        context = ValidationContext(
            trust_roots=[parsed[-1]],
            moment=_NEUTRAL,
            allow_fetching=False,
            revinfo_policy=_NO_REVOCATION,
            algorithm_usage_policy=AcceptAllAlgorithms(),
            time_tolerance=_ANY_TIME,
        )
        _run(async_validate_path(context, path))
    except MemoryError:
        raise  # the machine is at fault, not the bytes
    except Exception as error:  # noqa: BLE001 - of hostile certificates; whatever is raised, the path does not hold
        return f"RFC 5280 clause 6.1: {type(error).__name__}"
    return None


def _run(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Drives a coroutine that never waits: there is nothing to fetch."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("path validation tried to wait")

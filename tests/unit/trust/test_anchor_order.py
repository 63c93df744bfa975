"""Anchors are a set: the order in which they are given decides nothing."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

from tests.unit.validation.laboratory import CA_END, NOW, certificate
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import RequiredRevocation, validate_path
from zdda.trust.revocation import RevocationData


def test_of_equally_good_paths_always_the_same_is_taken() -> None:
    """A root that was issued again under its name and key: every version of it ends a path."""
    roots = [certificate("again", None, ca=True, end=CA_END + timedelta(days=days)) for days in range(4)]
    issuing = certificate("under again", roots[0], ca=True, end=CA_END)
    leaf = certificate("leaf of again", issuing)
    found = set()
    for order in permutations(root.der for root in roots):
        path = validate_path(
            leaf.der, (issuing.der,), TrustAnchors(order), NOW, RevocationData(), RequiredRevocation.NONE
        )
        found.add(tuple(member.certificate.sha256 for member in path.members))
    assert len(found) == 1
    assert (
        TrustAnchors(tuple(root.der for root in roots)).ordered
        == TrustAnchors(tuple(root.der for root in reversed(roots))).ordered
    )

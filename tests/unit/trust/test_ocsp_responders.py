"""Who may sign an OCSP answer (RFC 6960 clause 4.2.2.2): the issuer, its responder, a responder of a CA above it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.validation.laboratory import CA_END, NOW, Member, certificate, crl, ocsp_answer, world
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathResult, PathStatus, RequiredRevocation, validate_path
from zdda.trust.revocation import RevocationData


def responder(name: str, issuer: Member, *, no_check: bool = True, extended: bool = True) -> Member:
    usages = [ExtendedKeyUsageOID.OCSP_SIGNING] if extended else []
    return certificate(name, issuer, usage="digital", extended=usages, no_check=no_check, end=CA_END)


def judge(by: Member, crls: tuple[bytes, ...] = (), moment: datetime = NOW) -> PathResult:
    lab = world()
    data = RevocationData((crl(lab.root), *crls), (ocsp_answer(lab.signer, lab.issuing, by),))
    anchors = TrustAnchors((lab.root.der,))
    return validate_path(lab.signer.der, [lab.issuing.der], anchors, moment, data, RequiredRevocation.ALL)


def test_a_responder_of_the_issuer_or_of_a_ca_above_it_is_heard() -> None:
    lab = world()
    assert judge(lab.responder).status is PathStatus.VALID
    assert judge(responder("of the root", lab.root)).status is PathStatus.VALID


@pytest.mark.parametrize("kind", ["sibling", "below", "outsider", "no-usage", "same-name-other-key"])
def test_others_are_not_heard(kind: str) -> None:
    lab = world()
    sibling = certificate("sibling ca", lab.root, ca=True, end=CA_END)
    stranger = certificate("stranger", None, ca=True, end=CA_END)
    by = {
        "sibling": lambda: responder("of the sibling", sibling),
        "below": lambda: responder("of a ca below", certificate("below", lab.issuing, ca=True, end=CA_END)),
        "outsider": lambda: responder("of a stranger", stranger),
        "no-usage": lambda: responder("without the usage", lab.root, extended=False),
        "same-name-other-key": lambda: responder("forged", Member("another key", lab.root.certificate)),
    }[kind]()
    assert judge(by).status is PathStatus.REVOCATION_UNKNOWN


def test_a_responder_that_may_be_revoked_is_checked_with_its_own_issuer() -> None:
    """RFC 6960 clause 4.2.2.2.1: without id-pkix-ocsp-nocheck."""
    lab = world()
    checked = responder("checked", lab.root, no_check=False)
    assert judge(checked).status is PathStatus.VALID, "the root's CRL does not list it"
    revoked = crl(lab.root, revoked=[(checked, NOW, x509.ReasonFlags.key_compromise)])
    data = RevocationData((revoked,), (ocsp_answer(lab.signer, lab.issuing, checked),))
    anchors = TrustAnchors((lab.root.der,))
    found = validate_path(lab.signer.der, [lab.issuing.der], anchors, NOW, data, RequiredRevocation.ALL)
    assert found.status is not PathStatus.VALID
    of_issuing = responder("of the issuing ca", lab.issuing, no_check=False)
    assert judge(of_issuing).status is not PathStatus.VALID, "nothing is known of it"
    assert judge(of_issuing, (crl(lab.issuing),)).status is PathStatus.VALID


ODD = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)


@pytest.mark.parametrize(
    ("more", "heard"),
    [
        ({}, True),
        ({"usage": "sign"}, True),
        ({"usage": "ca"}, False),
        ({"extra": [(ODD[0], False)]}, True),
        ({"extra": [ODD]}, False),
    ],
)
def test_a_responder_with_a_key_for_something_else_or_an_unknown_condition_is_not_heard(
    more: dict[str, Any], heard: bool
) -> None:
    """RFC 5280 clauses 4.2 (critical extensions) and 4.2.1.12 (key usage beside OCSPSigning)."""
    usages = [ExtendedKeyUsageOID.OCSP_SIGNING]
    by = certificate(
        "odd responder", world().issuing, extended=usages, no_check=True, end=CA_END, **{"usage": "digital", **more}
    )
    assert judge(by).status is (PathStatus.VALID if heard else PathStatus.REVOCATION_UNKNOWN)

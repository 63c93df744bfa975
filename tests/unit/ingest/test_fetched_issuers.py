"""A document that does not carry its issuers' certificates: they are fetched, judged and kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.simulator.examiners import examined
from tests.unit.validation.laboratory import NOW, cms_signature, sign_pdf, unsigned_pdf, world
from zdda.ingest.workshop import Examination
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.trust.revocation_client import Answers

LAB = world()


class Network:
    unasked = 0

    def __init__(self, *issuers: bytes) -> None:
        self.issuers, self.asked_issuers, self.asked_revocation = issuers, [()], [()]

    def fetch_issuers(self, certificates: Sequence[bytes]) -> tuple[bytes, ...]:
        self.asked_issuers.append(tuple(certificates))
        return self.issuers if certificates else ()

    def ask(self, certificates: Sequence[bytes]) -> Answers:
        self.asked_revocation.append(tuple(certificates))
        return Answers(RevocationData(LAB.crls()), self.unasked)


def examine(folder: Path, network: Network, carried: bool = False) -> Examination:
    chain = LAB.chain if carried else ()
    pdf = sign_pdf(unsigned_pdf(), lambda digest: cms_signature(LAB.signer, digest, certificates=chain))
    return examined(folder, [pdf], TrustAnchors((LAB.root.der,)), network.ask, NOW, network.fetch_issuers)


def test_what_is_fetched_completes_the_path_and_is_kept(tmp_path: Path) -> None:
    network = Network(LAB.issuing.der, LAB.root.der)
    found = examine(tmp_path, network)
    assert found.verdict == "TOTAL_PASSED"
    assert network.asked_issuers[-1] == (LAB.signer.der,)
    assert network.asked_revocation[-1] == (LAB.signer.der, LAB.issuing.der, LAB.root.der)
    assert ("certificate", LAB.issuing.der) in found.validation_data
    assert {role for role, _ in found.validation_data} == {"certificate", "crl"}


def test_without_them_there_is_no_path(tmp_path: Path) -> None:
    found = examine(tmp_path, Network())
    assert found.verdict == "INDETERMINATE"
    assert found.report["signatures"][0]["subindication"] == "NO_CERTIFICATE_CHAIN_FOUND"


def test_a_complete_path_asks_for_none(tmp_path: Path) -> None:
    network = Network()
    assert examine(tmp_path, network, carried=True).verdict == "TOTAL_PASSED"
    assert network.asked_issuers[-1] == ()


@pytest.mark.parametrize("rubbish", [b"", b"rubbish"])
def test_what_is_no_certificate_changes_nothing(rubbish: bytes, tmp_path: Path) -> None:
    assert examine(tmp_path, Network(rubbish)).verdict == "INDETERMINATE"

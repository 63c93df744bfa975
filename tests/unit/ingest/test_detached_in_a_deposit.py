"""A signature in a file of its own is over another document of the same deposit, or over nothing that is at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.simulator.examiners import examined
from tests.unit.signatures.test_cades import CONTENT, message
from tests.unit.validation.laboratory import NOW, unsigned_pdf, world
from zdda.ingest.workshop import Examination
from zdda.model.errors import IntegrityError
from zdda.storage.spool import Spool
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.trust.revocation_client import Answers


def examine(folder: Path, documents: list[bytes]) -> Examination:
    """The first document's examination, the others beside it."""
    lab = world()
    return examined(
        folder,
        documents,
        TrustAnchors((lab.root.der,)),
        lambda certificates: Answers(RevocationData(lab.crls())),
        NOW,
        media_type="application/pkcs7-signature",
    )


def test_the_content_is_found_in_the_deposit(tmp_path: Path) -> None:
    found = examine(tmp_path, [message(content=None), unsigned_pdf(), CONTENT])
    assert found.verdict == "TOTAL_PASSED"
    assert found.report["signatures"][0]["format"] == "CAdES-BASELINE-B"


@pytest.mark.parametrize("others", [[], [b"something else"], [b"something else", unsigned_pdf()]])
def test_documents_that_are_not_the_content_prove_nothing(tmp_path: Path, others: list[bytes]) -> None:
    """Also a single one: nobody said that it is what was signed."""
    found = examine(tmp_path, [message(content=None), *others])
    assert found.verdict == "INDETERMINATE"
    assert found.report["signatures"][0]["subindication"] == "SIGNED_DATA_NOT_FOUND"


def test_other_documents_are_not_opened_for_a_signature_that_holds_its_content(tmp_path: Path) -> None:
    documents = [message(), b"another"]
    assert examine(tmp_path / "whole", documents).verdict == "TOTAL_PASSED"
    before = len(os.listdir("/proc/self/fd"))
    examine(tmp_path / "again", [message(content=None), *[b"%d" % n for n in range(100)]])
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_damaged_spool_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError):
        _examine_with_damaged_sibling(tmp_path)


def _examine_with_damaged_sibling(folder: Path) -> None:
    original = Spool.path

    def damaged(self: Spool, name: str) -> Path:
        path = original(self, name)
        if name == "d.2":
            path.write_bytes(path.read_bytes()[:-1])
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Spool, "path", damaged)
        examine(folder, [message(content=None), CONTENT])

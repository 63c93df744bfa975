"""What the last document's paths needed is given to the next from the start: never more than time is won or lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.simulator.examiners import KEY, PoolHere, examiner_here, spooled
from tests.unit.validation.laboratory import NOW, cms_signature, sign_pdf, unsigned_pdf, world
from zdda.ingest import examination
from zdda.ingest.examination import WorkerExaminer
from zdda.ingest.workshop import Examination
from zdda.model.canonical_json import canonical_json
from zdda.storage.spool import Spool
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.trust.revocation_client import Answers

LAB = world()
REVOKED = ((LAB.signer, NOW - timedelta(days=1), x509.ReasonFlags.key_compromise),)


class Counting(PoolHere):
    def __init__(self) -> None:
        self.calls = 0

    def call(self, function: str, argument: Any) -> Any:
        self.calls += 1
        return super().call(function, argument)


class Archive:
    """An examiner that sees one document after the other; ``answers`` is what issuers say at the moment."""

    def __init__(self, folder: Path) -> None:
        self.spool, self.pool = Spool(folder), Counting()
        self.answers = RevocationData(LAB.crls())
        self.examiner: WorkerExaminer = examiner_here(self.spool, TrustAnchors((LAB.root.der,)), self.ask, NOW)
        self.examiner._pool = self.pool  # type: ignore[assignment]

    def ask(self, certificates: Sequence[bytes]) -> Answers:
        return Answers(self.answers if certificates else RevocationData())

    def examine(self, document: bytes) -> tuple[Examination, int]:
        """(what it found, how many examinations it took)."""
        before = self.pool.calls
        ((file, name),) = spooled(self.spool, [document])
        return self.examiner.examine(file, KEY, name, "application/pdf"), self.pool.calls - before


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "used")


def signed(carried: bool = True) -> bytes:
    chain = LAB.chain if carried else ()
    return sign_pdf(unsigned_pdf(), lambda digest: cms_signature(LAB.signer, digest, certificates=chain))


def alone(tmp_path: Path, document: bytes, answers: RevocationData) -> Examination:
    """What an examiner finds that has seen nothing before."""
    fresh = Archive(tmp_path / "fresh")
    fresh.answers = answers
    return fresh.examine(document)[0]


def test_the_second_document_of_a_signer_takes_one_examination(archive: Archive, tmp_path: Path) -> None:
    first, taken = archive.examine(signed())
    assert (first.verdict, taken) == ("TOTAL_PASSED", 2)
    second, taken = archive.examine(signed())
    assert taken == 1
    assert second == alone(tmp_path, signed(), archive.answers)


def test_newer_answers_are_given_to_the_next_document(archive: Archive, tmp_path: Path) -> None:
    archive.examine(signed())
    archive.answers = RevocationData(LAB.crls(NOW - timedelta(minutes=1)))
    found, taken = archive.examine(signed())
    assert taken == 2
    assert found == alone(tmp_path, signed(), archive.answers)


def test_a_revocation_after_the_last_document_is_seen(archive: Archive, tmp_path: Path) -> None:
    archive.examine(signed())
    archive.answers = RevocationData(LAB.crls(revoked=REVOKED))
    found, _ = archive.examine(signed())
    assert found.verdict != "TOTAL_PASSED"
    assert found == alone(tmp_path, signed(), archive.answers)


def test_data_of_another_documents_paths_are_neither_used_nor_kept(archive: Archive, tmp_path: Path) -> None:
    """Nobody asks about a document without a path; the data given would be listed with it."""
    archive.examine(signed())
    found, _ = archive.examine(signed(carried=False))
    assert found == alone(tmp_path, signed(carried=False), archive.answers)
    archive.answers = RevocationData()
    found, _ = archive.examine(signed())
    assert {role for role, _ in found.validation_data} == {"certificate"}
    assert found == alone(tmp_path, signed(), archive.answers)


def test_a_failure_with_data_given_is_examined_without(archive: Archive, tmp_path: Path) -> None:
    archive.examine(signed())
    broken = signed().replace(b"%PDF-1", b"%PDF-2", 1)
    found, taken = archive.examine(broken)
    assert (found.verdict, taken) == ("TOTAL_FAILED", 2)
    assert found == alone(tmp_path, broken, archive.answers)


def test_an_unsigned_document_takes_one_examination(archive: Archive, tmp_path: Path) -> None:
    archive.examine(signed())
    found, taken = archive.examine(unsigned_pdf())
    assert taken == 1
    assert found == alone(tmp_path, unsigned_pdf(), archive.answers)


def test_much_data_are_not_given_to_who_may_not_need_them(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_MOST_GIVEN", 10)
    archive.examine(signed())
    assert archive.examine(signed())[1] == 2


def test_a_report_that_is_not_canonical_is_none(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever took a worker over could have its own text kept."""
    found, _ = archive.examine(signed())
    assert found.verdict == "TOTAL_PASSED"
    assert found.report_bytes() == canonical_json(found.report)
    original = examination.examine_here

    def other(request: dict[str, Any]) -> dict[str, Any]:
        answer = original(request)
        return {**answer, "report": answer["report"].replace('"document":', '"document": ', 1)}

    monkeypatch.setattr(examination, "examine_here", other)
    found, _ = archive.examine(signed())
    assert (found.verdict, found.report["reason"]) == ("NOT_VALIDATED", "internal")
    assert found.validation_data == ()

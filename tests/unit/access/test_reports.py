"""Sealed reports in every form, and documents that pass through without being kept: over a real archive's parts."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.simulator.archive import ACCOUNT, SimulatedArchive
from tests.simulator.examiners import PoolHere
from tests.unit.access.archived_documents import archive_in, documents, signed
from tests.unit.validation.laboratory import unsigned_pdf, world
from zdda.access.packages import PackageAccess
from zdda.access.reports import DocumentNotNamed
from zdda.audit.tables import audit_outbox
from zdda.ingest.uploads import DocumentEmpty, DocumentMissing, TooManyDocuments
from zdda.ingest.validations import NotValidated, OneDocument, PassingValidation, ValidationDesk
from zdda.ingest.workshop import Examination
from zdda.jobs.report_writing import WorkerReportWriter
from zdda.jobs.worker_pool import WorkerFailed
from zdda.model.errors import NotFound, Unavailable
from zdda.packaging.aip_reader import Aip
from zdda.packaging.cms import read
from zdda.packaging.sealed_report import MEDIA_TYPE, REPORT, SIGNATURE, ReportSealer
from zdda.validation.forms import Form

WRITER = WorkerReportWriter(PoolHere())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedArchive]:
    opened = archive_in(tmp_path_factory.mktemp("reports"))
    yield opened
    opened.close()


def package_of(archive: SimulatedArchive, contents: tuple[bytes, ...]) -> UUID:
    deposit = archive.deposit(contents)
    archive.settle()
    assert archive.status(deposit).state == "archived"
    return deposit.package_id


@pytest.fixture(scope="module")
def several(archive: SimulatedArchive) -> UUID:
    return package_of(archive, documents())


@pytest.fixture(scope="module")
def single(archive: SimulatedArchive) -> UUID:
    return package_of(archive, (signed(),))


def packages(archive: SimulatedArchive) -> PackageAccess:
    parts = archive.archive
    return PackageAccess(parts.database, parts.vault.store, parts.workshop.clock, WRITER)


def test_forms_of_one_document(archive: SimulatedArchive, single: UUID, several: UUID) -> None:
    def asked(package: UUID, number: int | None, form: Form) -> str:
        return packages(archive).validation_report_as(package, number, form, "cs", ACCOUNT).decode()

    assert "<ValidationReport xmlns=" in asked(single, None, Form.ETSI)
    assert "<base64>" in asked(single, None, Form.ETSI)
    assert "Všechny podpisy dokumentu jsou platné" in asked(single, None, Form.TEXT)
    assert "lab signer" in asked(single, None, Form.HTML)
    assert json.loads(asked(several, 2, Form.SIMPLE))["verdict"] == "TOTAL_PASSED"
    assert json.loads(asked(several, 3, Form.SIMPLE))["verdict"] == "NO_SIGNATURE"
    assert json.loads(asked(single, 1, Form.DETAILED))["format"] == "zdda-validation-report/1"


def test_no_document_is_left_out_silently(archive: SimulatedArchive, several: UUID) -> None:
    read = packages(archive).validation_report_as
    for form in (Form.ETSI, Form.HTML, Form.TEXT):
        with pytest.raises(DocumentNotNamed):
            read(several, None, form, "en", ACCOUNT)
    for number in (0, 6):
        with pytest.raises(NotFound):
            read(several, number, Form.HTML, "en", ACCOUNT)
    listed = json.loads(read(several, None, Form.SIMPLE, "en", ACCOUNT))
    assert [each["number"] for each in listed] == [1, 2, 3, 4, 5]
    assert [each["report"]["verdict"] for each in listed] == [each["verdict"] for each in listed]


def test_a_document_without_a_report(archive: SimulatedArchive, single: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Aip, "report", lambda *_: {"format": "zdda-not-validated/1", "reason": "timeout"})
    read = packages(archive).validation_report_as
    with pytest.raises(NotFound):
        read(single, 1, Form.HTML, "en", ACCOUNT)
    assert json.loads(read(single, None, Form.SIMPLE, "en", ACCOUNT))[0]["report"] is None


def test_a_writer_that_dies_is_told(archive: SimulatedArchive, single: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(*_: Any) -> Any:
        raise WorkerFailed("killed", reason="timeout")

    monkeypatch.setattr(PoolHere, "call", dead)
    with pytest.raises(Unavailable):
        packages(archive).validation_report_as(single, 1, Form.HTML, "en", ACCOUNT)


def begun(archive: SimulatedArchive, *contents: tuple[str, bytes]) -> PassingValidation:
    validation = ValidationDesk(archive.archive.workshop, WRITER).begin_validation("kis", "c")
    for number, (role, content) in enumerate(contents):
        sink = validation.open_document(role, f"{number}.pdf", "application/pdf")
        sink.write(content)
        sink.close()
    return validation


def spool(archive: SimulatedArchive) -> list[str]:
    return archive.archive.vault.spool.names()


def test_a_document_passes_through_encrypted_and_leaves_nothing(archive: SimulatedArchive, tmp_path: Path) -> None:
    before = spool(archive)
    validation = begun(archive, ("document", signed()))
    assert json.loads(validation.report("detailed", "en"))["signatures"][0]["indication"] == "TOTAL_PASSED"
    (name,) = set(spool(archive)) - set(before)
    assert b"%PDF" not in archive.archive.vault.spool.path(name).read_bytes()
    validation.abort()
    validation.abort()
    assert spool(archive) == before


def test_detached_content_is_found(archive: SimulatedArchive) -> None:
    *_, signature, content = documents()
    validation = begun(archive, ("detached", content), ("document", signature))
    simple = json.loads(validation.report("simple", "en"))
    validation.abort()
    assert simple["verdict"] == "TOTAL_PASSED"


def test_a_report_is_sealed_when_asked(archive: SimulatedArchive, single: UUID) -> None:
    workshop = archive.archive.workshop
    sealer = ReportSealer(workshop.signer, workshop.seal_validation_data, workshop.clock)
    parts = archive.archive
    access = PackageAccess(parts.database, parts.vault.store, workshop.clock, WRITER, sealer)
    plain = access.validation_report_as(single, 1, Form.ETSI, "en", ACCOUNT)
    container = access.validation_report_as(single, 1, Form.ETSI, "en", ACCOUNT, sealed=True)
    with zipfile.ZipFile(io.BytesIO(container)) as opened:
        assert opened.namelist() == ["mimetype", REPORT, SIGNATURE]
        assert opened.read("mimetype") == MEDIA_TYPE.encode()
        assert opened.read(REPORT) == plain
        facts = read(opened.read(SIGNATURE), plain, SIGNATURE, 1 << 20)
    assert facts.certificate == workshop.signer.certificate
    with pytest.raises(Unavailable):
        packages(archive).validation_report_as(single, 1, Form.ETSI, "en", ACCOUNT, sealed=True)
    validation = begun(archive, ("document", signed()))
    assert validation.report("etsi", "en", sealed=True).startswith(b"PK")
    validation.abort()


def test_nothing_else_and_nothing_unprovable_is_sealed(archive: SimulatedArchive) -> None:
    workshop = archive.archive.workshop

    def expired() -> Any:
        raise Unavailable("the seal's certificate is not valid now")

    report = b'<?xml version="1.0" encoding="UTF-8"?>\n<ValidationReport xmlns="x"/>'
    with pytest.raises(Unavailable):
        ReportSealer(workshop.signer, expired, workshop.clock)(report)
    for other in (b'<?xml version="1.0" encoding="UTF-8"?>\n<ASiCManifest />', b"{}", b""):
        with pytest.raises(ValueError, match="only validation reports"):
            ReportSealer(workshop.signer, lambda: None, workshop.clock)(other)


def test_what_is_not_one_document_is_refused(archive: SimulatedArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    before = spool(archive)
    for contents, refusal in (
        ([], DocumentMissing),
        ([("detached", b"x")], DocumentMissing),
        ([("document", b"")], DocumentEmpty),
    ):
        validation = begun(archive, *contents)
        with pytest.raises(refusal):
            validation.report("simple", "en")
        validation.abort()
    validation = begun(archive, ("document", b"x"))
    with pytest.raises(OneDocument):
        validation.open_document("document", "again.pdf", "application/pdf")
    for number in range(archive.archive.workshop.limits.max_documents - 1):
        validation.open_document("detached", f"n{number}", "text/plain")
    with pytest.raises(TooManyDocuments):
        validation.open_document("detached", "last", "text/plain")
    validation.abort()
    assert spool(archive) == before


def test_no_report_is_no_answer(archive: SimulatedArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    report = {"format": "zdda-not-validated/1", "reason": "timeout"}
    examiner = archive.archive.workshop.examiner
    monkeypatch.setattr(type(examiner), "examine", lambda *_: Examination(None, None, "NOT_VALIDATED", report, ()))
    validation = begun(archive, ("document", unsigned_pdf()))
    with pytest.raises(NotValidated):
        validation.report("html", "cs")
    validation.abort()


def test_the_audit_knows_of_it_and_names_nothing(archive: SimulatedArchive) -> None:
    validation = begun(archive, ("document", world().basic()))
    validation.report("simple", "en")
    validation.abort()
    with archive.archive.database.read() as tx:
        entries = [json.loads(row.event) for row in tx.execute(select(audit_outbox))]
    last = [entry for entry in entries if entry["event"] == "document-validated"][-1]
    assert "TOTAL_PASSED" in json.dumps(last)
    assert ".pdf" not in json.dumps(last)

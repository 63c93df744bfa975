"""Every public PDF through the front door: archived and proven, or refused with a reason; never an internal error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from zdda.cli.running_demonstration import CONSUMER, PRODUCER, Demonstration, start
from zdda.cli.verify import verify_files
from zdda.fsck.custody import CustodyStatus
from zdda.model.clock import SystemClock

pytestmark = pytest.mark.corpus
REFUSALS = {"urn:zdda:problem:document-unreadable", "urn:zdda:problem:document-empty"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    demonstration = start(tmp_path_factory.mktemp("corpus") / "archive")
    yield demonstration
    demonstration.stop()


@pytest.fixture(scope="module")
def answers(running: Demonstration, shared: Path) -> dict[str, httpx.Response]:
    """What the archive answered to each PDF of the corpus."""
    files = sorted((shared / "corpus" / "documents" / "pades").rglob("*.pdf"))
    assert len(files) > 100

    def deposit(file: Path) -> httpx.Response:
        metadata = {"title": "Corpus", "documentType": "report", "retentionClass": "medical-record"}
        parts = [
            ("metadata", (None, json.dumps(metadata).encode(), "application/json")),
            ("document", ("document.pdf", file.read_bytes(), "application/pdf")),
        ]
        with running.client(PRODUCER) as client:
            answer = client.post("/v1/deposits", files=parts)
            while answer.status_code == 202:
                status = client.get(answer.headers["Location"]).raise_for_status().json()
                if status["state"] == "archived":
                    return client.get(f"/v1/deposits/{status['depositId']}")
                if status["state"] == "rejected":
                    return answer
            return answer

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(deposit, files))
    return {str(file.relative_to(shared)): answer for file, answer in zip(files, found, strict=True)}


def test_each_is_archived_or_refused_with_a_reason(answers: dict[str, httpx.Response]) -> None:
    wrong = {}
    for name, answer in answers.items():
        body = answer.json()
        archived = answer.status_code in (200, 201) and body["state"] == "archived"
        refused = answer.status_code == 422 and body["type"] in REFUSALS and body["detail"]
        if not archived and not refused:
            wrong[name] = (answer.status_code, answer.text[:300])
    assert not wrong


def test_none_ends_in_an_internal_error(answers: dict[str, httpx.Response]) -> None:
    bad = [name for name, answer in answers.items() if "internal" in answer.text or "NOT_VALIDATED" in answer.text]
    refused = [name for name, answer in answers.items() if answer.status_code == 422]
    assert not set(bad) - set(refused)


def test_custody_of_each_is_proven(answers: dict[str, httpx.Response], running: Demonstration, tmp_path: Path) -> None:
    wrong = {}
    with running.client(CONSUMER) as client:
        for name, answer in answers.items():
            if answer.status_code == 422:
                continue
            body = answer.json()
            package = body.get("packageId") or body["receipt"]["packageId"]
            container = tmp_path / f"{package}.asice"
            container.write_bytes(client.get(f"/v1/packages/{package}/aip").raise_for_status().content)
            record = client.get(f"/v1/packages/{package}/evidence-record").raise_for_status().content
            container.with_name(container.name + ".ers").write_bytes(record)
            report = verify_files(container, None, [running.root], None, SystemClock())
            if report.status is not CustodyStatus.PROVEN:
                wrong[name] = str(report.status)
            container.unlink()
    assert not wrong

"""The reports of a running archive as a Consumer gets them, and the sealed verdict made again from the package."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from jsonschema import Draft202012Validator
from lxml import etree

from zdda.cli.running_demonstration import CONSUMER, PRODUCER, Demonstration, start
from zdda.demonstration.documents import demonstration_documents
from zdda.model.clock import SystemClock
from zdda.trust.anchors import TrustAnchors
from zdda.validation.validate import validate_document

ROOT = Path(__file__).resolve().parents[2]
VR = "{http://uri.etsi.org/19102/v1.4.1#}"
SIMPLE = Draft202012Validator(json.loads((ROOT / "schemas" / "validation-simple-report-v1.json").read_text()))
METADATA = b'{"title":"t","documentType":"report","retentionClass":"medical-record"}'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    demonstration = start(tmp_path_factory.mktemp("reports") / "archive")
    yield demonstration
    demonstration.stop()


@pytest.fixture(scope="module")
def documents(running: Demonstration) -> list[bytes]:
    """The demonstration's: passed, failed, unsigned, untrusted."""
    stranger = type(running.authority)(SystemClock(), lambda n: bytes(range(n)), "http://127.0.0.1:1")
    signers = running.authority.issue_signer("Jana Ukázková"), stranger.issue_signer("Cizí")
    return [each.content for each in demonstration_documents(*signers, running.timestamps)]


@pytest.fixture(scope="module")
def package(running: Demonstration, documents: list[bytes]) -> str:
    parts = [
        ("metadata", (None, METADATA, "application/json")),
        ("document", ("zpráva.pdf", documents[0], "application/pdf")),
    ]
    with running.client(PRODUCER) as client:
        return str(client.post("/v1/deposits", files=parts).raise_for_status().json()["packageId"])


def test_one_report_in_every_form(running: Demonstration, package: str) -> None:
    path = f"/v1/packages/{package}/validation-report"
    with running.client(CONSUMER) as client:
        (listed,) = client.get(path).raise_for_status().json()
        xml = client.get(path, headers={"Accept": "application/xml"}).raise_for_status()
        page = client.get(path, headers={"Accept": "text/html", "Accept-Language": "cs"}).raise_for_status()
        simple = client.get(path, params={"form": "simple", "document": 1}).raise_for_status().json()
    assert listed["verdict"] == "TOTAL_PASSED"
    tree = etree.fromstring(xml.content)
    main = f"{VR}SignatureValidationReport/{VR}SignatureValidationStatus/{VR}MainIndication"
    assert tree.findtext(main) == "urn:etsi:019102:mainindication:total-passed"
    assert "Podpis je platný" in page.text
    assert "Jana Ukázková" in page.text
    assert "zpráva.pdf" in page.text
    assert "sandbox" in page.headers["content-security-policy"]
    SIMPLE.validate(simple)
    assert simple["signatures"][0]["who"]["pathToAnchor"] is True


def test_the_seal_over_a_report_is_valid(running: Demonstration, package: str, tmp_path: Path) -> None:
    """By our own validator, and by openssl."""
    with running.client(CONSUMER) as client:
        answer = client.get(f"/v1/packages/{package}/validation-report", params={"sealed": "true"}).raise_for_status()
    assert answer.headers["content-type"] == "application/vnd.etsi.asic-s+zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as container:
        container.extractall(tmp_path)
    report, signature = tmp_path / "validation-report.xml", tmp_path / "META-INF" / "signature.p7s"
    with report.open("rb") as content, signature.open("rb") as document:
        anchors = TrustAnchors((running.authority.root_certificate(),))
        found = validate_document(document, anchors, at=SystemClock().now(), detached=[content])
    (seal,) = found.signatures
    assert (seal["format"], seal["intact"], seal["valid"]) == ("CAdES-BASELINE-B", True, True)
    (tmp_path / "root.pem").write_bytes(pem(running.authority.root_certificate()))
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-binary", "-purpose", "any", "-out", "/dev/null"]
    files = ["-in", str(signature), "-content", str(report), "-CAfile", str(tmp_path / "root.pem")]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report.write_bytes(report.read_bytes().replace(b"total-passed", b"total-failed", 1))
    assert subprocess.run([*command, *files], capture_output=True, check=False).returncode != 0


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def test_documents_are_validated_in_passing_and_not_kept(running: Demonstration, documents: list[bytes]) -> None:
    spool = running.archive.vault.spool
    verdicts = []
    for content in documents:
        with running.client(CONSUMER) as client:
            part = [("document", ("a.pdf", content, "application/pdf"))]
            answer = client.post("/v1/validations", params={"form": "simple"}, files=part).raise_for_status()
        verdicts.append(answer.json()["verdict"])
        assert [name for name in spool.names() if name.startswith("v-")] == []
    assert verdicts == ["TOTAL_PASSED", "TOTAL_FAILED", "NO_SIGNATURE", "INDETERMINATE"]


def test_the_sealed_verdict_is_made_again(running: Demonstration, package: str, tmp_path: Path) -> None:
    container, root = tmp_path / "package.asice", tmp_path / "root.cer"
    root.write_bytes(running.authority.root_certificate())
    with running.client(CONSUMER) as client:
        container.write_bytes(client.get(f"/v1/packages/{package}/aip").raise_for_status().content)
    command = [sys.executable, "-m", "zdda.cli.validate", "--replay", str(container), "--json"]
    done = subprocess.run(
        [*command, "--trust-anchor", str(root)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["documents"][0]["sealedReport"] == found["documents"][0]["madeReport"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=False).returncode == 3

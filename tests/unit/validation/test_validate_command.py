"""``zdda validate``: exit statuses, JSON, and the batch interface with an answer for every request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.unit.validation.laboratory import NOW, world
from zdda.cli import validate as command
from zdda.cli.validate import answer_batch, exit_status, validate
from zdda.cli.validation_worker import batch_answer, validate_file
from zdda.jobs.worker_pool import WorkerFailed
from zdda.model.clock import FixedClock, format_time

application = typer.Typer()
application.command()(validate)


class Here:
    """The pool's interface without processes: what is tested is the command."""

    def __init__(self, *_: object) -> None:
        pass

    def call(self, _: str, request: dict[str, object]) -> object:
        if "kill me" in str(request["document"]):
            raise WorkerFailed("killed", reason="timeout")
        return validate_file(request)  # type: ignore[arg-type]

    def close(self) -> None:
        pass


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "WorkerPool", Here)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    lab = world()
    content = {
        "signed.pdf": lab.basic(),
        "damaged.pdf": lab.basic().replace(b"(a page)", b"(A page)"),
        "text.txt": b"just a text",
        "broken.pdf": b"%PDF-1.7\nrubbish",
        "root.der": lab.root.der,
        "signer.der": lab.signer.der,
    }
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    return {name: str(tmp_path / name) for name in content}


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(application, list(arguments))
    return result.exit_code, result.output


def test_exit_statuses(here: None, files: dict[str, str]) -> None:
    at, anchor = ["--at", format_time(NOW)], ["--trust-anchor", files["signer.der"]]
    assert run(files["signed.pdf"], *at, *anchor)[0] == 0
    assert run(files["signed.pdf"], *at)[0] == 2
    assert run(files["damaged.pdf"], *at, *anchor)[0] == 1
    assert run(files["text.txt"], *at)[0] == 2
    assert run(files["broken.pdf"], *at)[0] == 2
    assert run("no-such-file", *at)[0] == 3
    assert run(files["signed.pdf"], files["damaged.pdf"], *at, *anchor)[0] == 1
    assert run(files["signed.pdf"], "--at", "yesterday")[0] == 2
    assert run()[0] == 2
    assert run(files["signed.pdf"], *at, "--trust-anchor", files["text.txt"])[0] == 3


def test_json_is_the_report(here: None, files: dict[str, str]) -> None:
    _, output = run(files["signed.pdf"], "--json", "--at", format_time(NOW), "--trust-anchor", files["signer.der"])
    content = json.loads(output)
    assert content["format"] == "zdda-validation-report/1"
    assert content["signatures"][0]["indication"] == "TOTAL_PASSED"


def test_the_table_says_why(here: None, files: dict[str, str]) -> None:
    assert "changed" in run(files["damaged.pdf"], "--at", format_time(NOW))[1]
    assert "no signature" in run(files["text.txt"])[1]
    assert "document-unreadable" in run(files["broken.pdf"])[1]


def test_a_batch_has_an_answer_for_every_request_in_order(here: None, files: dict[str, str]) -> None:
    def request(document: str, *anchors: str) -> str:
        return json.dumps(
            {"document": document, "detached": [], "trust_anchors": list(anchors), "at": format_time(NOW)}
        )

    lines = [
        request(files["signed.pdf"], files["signer.der"]),
        "rubbish",
        "[]",
        request("kill me"),
        request("no-such-file"),
        request(files["broken.pdf"]),
        "",
        request(files["damaged.pdf"], files["root.der"]),
        request(files["text.txt"]),
    ]
    answers = [json.loads(line) for line in answer_batch(lines, FixedClock(NOW))]
    assert len(answers) == 8
    assert answers[0]["document"] == files["signed.pdf"]
    assert answers[0]["refused"] is None
    assert answers[0]["signatures"] == [
        {
            "format": "PAdES-BASELINE-B",
            "counter": False,
            "intact": True,
            "valid": True,
            "indication": "TOTAL_PASSED",
            "subindication": None,
            "best_signature_time": "2021-06-02T12:00:00Z",
            "claimed_signing_time": "2021-06-01T12:00:00Z",
        }
    ]
    assert answers[1]["refused"] == answers[2]["refused"] == "the request cannot be read"
    assert answers[3]["refused"].startswith("internal")
    assert answers[4]["refused"].startswith("a file cannot be read")
    assert answers[5]["refused"].startswith("document-unreadable")
    assert answers[6]["signatures"][0]["subindication"] == "HASH_FAILURE"
    assert (answers[7]["refused"], answers[7]["signatures"]) == (None, [])
    assert all(answer["evidence_records"] == [] for answer in answers)


def test_an_internal_error_is_said_in_the_batch() -> None:
    report = {"notValidated": {"code": "internal-error", "detail": "KeyError"}, "refused": None}
    assert batch_answer("x", {"report": report, "worst": "INDETERMINATE"})["refused"] == "internal: KeyError"
    unsupported = {"notValidated": {"code": "format-not-supported", "detail": ""}, "refused": None}
    assert batch_answer("x", {"report": unsupported, "worst": "INDETERMINATE"})["refused"] == "format-not-supported"


def test_not_passed_is_never_status_zero() -> None:
    for worst in (None, "INDETERMINATE", "anything"):
        assert exit_status({"worst": worst}) == 2


def test_real_workers_answer(files: dict[str, str]) -> None:
    lines = [
        json.dumps({"document": files["signed.pdf"], "trust_anchors": [files["signer.der"]], "at": format_time(NOW)})
    ]
    answers = [json.loads(line) for line in answer_batch(lines, FixedClock(NOW))]
    assert answers[0]["signatures"][0]["indication"] == "TOTAL_PASSED"


def test_a_policy_and_a_catalogue_of_ones_own(here: None, files: dict[str, str], tmp_path: Path) -> None:
    only_md5 = {
        "PolicyName": {"Name": "old"},
        "Publisher": {"Name": "x"},
        "PolicyIssueDate": "2000-01-01T00:00:00Z",
        "Algorithm": [
            {
                "AlgorithmIdentifier": {"Name": "MD5", "ObjectIdentifier": "1.2.840.113549.2.5"},
                "Evaluation": [{"Validity": {}}],
            }
        ],
    }
    catalogue, lax, wrong = tmp_path / "catalogue.json", tmp_path / "lax.toml", tmp_path / "wrong.toml"
    catalogue.write_text(json.dumps(only_md5))
    lax.write_text('format = "zdda-validation-policy/1"\nname = "lax"\nalgorithms = "warn"\n')
    wrong.write_text("name = 1")
    given = (files["signed.pdf"], "--trust-anchor", files["signer.der"], "--at", format_time(NOW), "--json")
    assert run(*given)[0] == 0
    assert run(*given, "--algorithms", str(catalogue))[0] == 2
    status, output = run(*given, "--algorithms", str(catalogue), "--policy", str(lax))
    assert (status, json.loads(output)["policy"]["name"]) == (0, "lax")
    assert run(*given, "--policy", str(wrong))[0] == 3
    assert run(*given, "--algorithms", str(wrong))[0] == 3
    assert run("--batch", str(wrong), "--policy", str(lax))[0] == 2

"""``zdda revalidate`` over an archive that was stopped: what flips by time, by anchors, by policy, and why."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from zdda.app import SealNotValid
from zdda.cli.main import application
from zdda.cli.running_demonstration import PRODUCER, start
from zdda.demonstration.documents import demonstration_documents
from zdda.fsck.revalidation import flips
from zdda.model.clock import SystemClock, format_time


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped archive with a signed and an unsigned document."""
    running = start(tmp_path_factory.mktemp("revalidate") / "archive")
    stranger = type(running.authority)(SystemClock(), lambda n: bytes(range(n)), "http://127.0.0.1:1")
    documents = demonstration_documents(
        running.authority.issue_signer("Jana"), stranger.issue_signer("Cizí"), running.timestamps
    )
    metadata = json.dumps({"title": "x", "documentType": "report", "retentionClass": "medical-record"}).encode()
    with running.client(PRODUCER) as client:
        for document in (documents[0], documents[2]):
            parts = [
                ("metadata", (None, metadata, "application/json")),
                ("document", (document.name, document.content, "application/pdf")),
            ]
            assert client.post("/v1/deposits", files=parts).status_code == 201
    (running.folder / "stranger.cer").write_bytes(stranger.root_certificate())
    running.stop()
    return running.folder


def revalidate(folder: Path, *options: str) -> tuple[int, list[dict[str, Any]]]:
    done = CliRunner().invoke(application("revalidate"), ["revalidate", "--folder", str(folder), "--json", *options])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]


def test_nothing_flips_by_itself(folder: Path) -> None:
    assert revalidate(folder) == (0, [])


def test_other_anchors_flip_what_rested_on_the_first_and_say_why(folder: Path) -> None:
    status, (flip,) = revalidate(folder, "--trust-anchor", str(folder / "stranger.cer"))
    assert status == 1
    assert (flip["document"], flip["before"]) == (1, ["TOTAL_PASSED", None])
    assert flip["after"] == ["INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND"]
    assert flip["why"]


def test_another_time_and_the_table_for_people(folder: Path) -> None:
    options = ["revalidate", "--folder", str(folder), "--at", "2020-01-01T00:00:00Z"]
    shown = CliRunner().invoke(application("revalidate"), options)
    assert shown.exit_code == 1
    assert "TOTAL_PASSED -> " in shown.stdout
    assert CliRunner().invoke(application("revalidate"), [*options[:-1], "yesterday"]).exit_code == 2


def test_another_policy(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("nonsense = 1\n", encoding="utf-8")
    status, found = revalidate(folder, "--policy", str(tmp_path / "policy.toml"))
    assert status == 3
    assert {each["document"] for each in found} == {None}


def run(folder: Path, *words: str) -> tuple[int, list[dict[str, Any]]]:
    done = CliRunner().invoke(application(words[0]), [*words, "--folder", str(folder), "--json"])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]


def findings(folder: Path) -> list[str]:
    return [line["code"] for line in run(folder, "fsck")[1] if line["type"] == "finding"]


def test_new_reports_are_kept_once(folder: Path) -> None:
    """Of what is signed alone; the same again adds nothing; what flips is kept by other anchors too."""
    assert CliRunner().invoke(application("revalidate"), ["revalidate", "--only-flips"]).exit_code == 2
    before = findings(folder)
    options = ["--at", format_time(SystemClock().now()), "--store"]
    status, (kept,) = revalidate(folder, *options)
    assert (status, sorted(kept)) == (0, ["amendment", "package"])
    assert revalidate(folder, *options) == (0, [])
    strange = [*options, "--trust-anchor", str(folder / "stranger.cer"), "--only-flips"]
    status, (flip, other) = revalidate(folder, *strange)
    assert status == 1
    assert (flip["after"][0], other["package"]) == ("INDETERMINATE", kept["package"])
    assert other["amendment"] != kept["amendment"]
    assert revalidate(folder, *strange) == (1, [flip])
    # The sealed verdict again: no flip, and yet the last word is not left to the strangers.
    status, (again,) = revalidate(folder, *options, "--only-flips")
    assert (status, sorted(again)) == (0, ["amendment", "package"])
    assert revalidate(folder, *options, "--only-flips") == (0, [])
    assert findings(folder) == before
    status, differences = run(folder, "reconcile")
    assert differences == []


def test_nothing_is_kept_under_a_seal_that_is_not_valid(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def expired(*_: object) -> Any:
        def fetch() -> None:
            raise SealNotValid("the seal's certificate is not valid now")

        return fetch

    monkeypatch.setattr("zdda.app._of_seal", expired)
    done = CliRunner().invoke(application("revalidate"), ["revalidate", "--folder", str(folder), "--store"])
    assert done.exit_code == 3
    assert "seal-not-valid" in done.stderr
    assert revalidate(folder) == (0, [])


def test_a_damaged_object_is_told_and_the_others_are_looked_at(folder: Path) -> None:
    objects = [path for path in (folder / "store" / "objects").rglob("*") if path.is_file()]
    largest = max(objects, key=lambda path: path.stat().st_size)
    subprocess.run(["chattr", "-i", str(largest)], check=False, capture_output=True)
    largest.chmod(0o600)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    status, found = revalidate(folder)
    assert status == 3
    assert len(found) == 1
    assert "error" in found[0]


def test_flips_are_told_by_signature() -> None:
    def report(indication: str, identifier: str = "a", refused: dict[str, str] | None = None) -> dict[str, Any]:
        signature = {"identifier": identifier, "indication": indication, "subindication": None, "buildingBlocks": []}
        return {"refused": refused, "notValidated": None, "signatures": [] if refused else [signature]}

    passed, failed = report("TOTAL_PASSED"), report("TOTAL_FAILED")
    assert flips(passed, passed) == []
    (flip,) = flips(passed, failed)
    assert (flip["signature"], flip["before"], flip["after"]) == ("a", ["TOTAL_PASSED", None], ["TOTAL_FAILED", None])
    gone, new = flips(passed, report("TOTAL_PASSED", "b"))
    assert (gone["after"], new["before"]) == (None, None)
    refused = flips(passed, report("", refused={"code": "unreadable"}))
    assert [each["after"] for each in refused] == [None, ["NOT_VALIDATED", "unreadable"]]

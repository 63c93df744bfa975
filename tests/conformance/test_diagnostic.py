"""The core on EU DSS diagnostic data, against what EU DSS 6.4 says of them, level by level."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
REASONS = ROOT / "tests" / "conformance" / "diagnostic-reasons.toml"
LEVELS = {
    "signatures": ("basic", "with_time", "archival", "final", "qualification"),
    "timestamps": ("basic", "archival", "qualification"),
}
pytestmark = pytest.mark.corpus


@pytest.fixture(scope="module")
def answers(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shared / "corpus" / "diagnostic"
    script = ROOT / "tests" / "conformance" / "diagnostic.py"
    written = tmp_path_factory.mktemp("diagnostic") / "answers.jsonl"
    with written.open("wb") as out:
        subprocess.run([sys.executable, str(script), str(folder)], stdout=out, check=True, timeout=120, cwd=ROOT)
    return written


def by_file(path: Path) -> dict[str, dict[str, Any]]:
    return {line["file"]: line for line in map(json.loads, path.read_text("utf-8").splitlines())}


def test_every_level_agrees_and_nothing_passes_wrongly(shared: Path, answers: Path) -> None:
    expected = shared / "corpus" / "expected" / "diagnostic.jsonl"
    command = [sys.executable, str(shared / "corpus" / "compare_diagnostic.py"), str(expected), str(answers)]
    table = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout
    assert table.rstrip().endswith("PASSED where DSS does not: 0"), table
    for kind, levels in LEVELS.items():
        for level in levels:
            match = re.search(rf"^{kind}\.{level}\s+(\d+) of\s+(\d+)", table, re.MULTILINE)
            assert match is not None, table
            assert int(match[1]) >= 0.97 * int(match[2]), table


def test_every_difference_has_its_reason_and_every_reason_its_difference(shared: Path, answers: Path) -> None:
    reasons = tomllib.loads(REASONS.read_text("utf-8"))["reasons"]
    want, got = by_file(shared / "corpus" / "expected" / "diagnostic.jsonl"), by_file(answers)
    assert set(want) == set(got)
    differing = set()
    for file, line in want.items():
        for kind, levels in LEVELS.items():
            found = {item["id"]: item for item in got[file][kind]}
            for item in line[kind]:
                for level in levels:
                    for member in (level, f"{level}_sub"):
                        if item[level] is not None and item.get(member) != found[item["id"]].get(member):
                            differing.add(file)
    assert differing == set(reasons)
    assert all("clause" in reason for reason in reasons.values())


def test_evidence_records_agree(shared: Path, answers: Path) -> None:
    want, got = by_file(shared / "corpus" / "expected" / "diagnostic.jsonl"), by_file(answers)
    for file, line in want.items():
        assert {item["id"]: item["indication"] for item in line["evidence_records"]} == {
            item["id"]: item["indication"] for item in got[file]["evidence_records"]
        }

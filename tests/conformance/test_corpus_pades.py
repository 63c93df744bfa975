"""The public corpus of signed PDFs, through the batch interface, against what EU DSS 6.4 says of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REASONS = ROOT / "tests" / "conformance" / "pades-reasons.toml"
pytestmark = pytest.mark.corpus


def compare(shared: Path, *arguments: str) -> str:
    """The table that the corpus's own program prints."""
    command = [sys.executable, str(shared / "corpus" / "compare.py"), "--only", "pades", "--reasons", str(REASONS)]
    zdda = f"{sys.executable} -W ignore -m zdda.cli.validate"
    done = subprocess.run(
        [*command, "--zdda", zdda, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT, check=False, timeout=240
    )
    return done.stdout


def figures(table: str) -> tuple[int, int, int]:
    """(rows that agree, rows, PASSED where DSS does not)."""
    match = re.search(r"agree (\d+) of\s+(\d+).*PASSED where DSS does not: (\d+)", table)
    assert match is not None, table[-2000:]
    return int(match[1]), int(match[2]), int(match[3])


def test_counts_formats_and_integrity_agree_or_have_a_reason(shared: Path) -> None:
    table = compare(shared, "--setups", "none", "--kinds", "count,format,integrity,refused")
    agree, rows, wrongly = figures(table)
    assert wrongly == 0
    assert "unexplained 0" in table, table
    assert rows == 113
    assert agree >= 111


def test_verdicts_with_anchors_agree_and_nothing_passes_that_should_not(shared: Path) -> None:
    table = compare(shared, "--setups", "tops,tops-signing", "--kinds", "count,integrity,verdict,refused")
    agree, rows, wrongly = figures(table)
    assert wrongly == 0
    assert "unexplained 0" in table, table
    assert agree >= rows - 9

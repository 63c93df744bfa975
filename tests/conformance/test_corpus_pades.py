"""The public corpus of signed PDFs, through the batch interface, against what EU DSS 6.4 says of them."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from zdda.trust.anchors import TrustAnchors
from zdda.validation.indications import Indication
from zdda.validation.validate import validate_document

ROOT = Path(__file__).resolve().parents[2]
REASONS = ROOT / "tests" / "conformance" / "corpus-reasons.toml"
pytestmark = pytest.mark.corpus


def test_every_document_gets_an_answer_and_no_internal_error(shared: Path) -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    paths = sorted(path for path in (shared / "corpus" / "documents" / "pades").rglob("*") if path.is_file())
    assert len(paths) > 130
    for path in paths:
        with path.open("rb") as document:
            report = validate_document(document, TrustAnchors(), at=at)
        assert report.not_validated in (None, "format-not-supported"), path.name
        assert report.worst() is not Indication.TOTAL_PASSED, path.name


def compare(shared: Path, *arguments: str, only: str = "pades") -> str:
    """The table that the corpus's own program prints."""
    command = [sys.executable, str(shared / "corpus" / "compare.py"), "--only", only, "--reasons", str(REASONS)]
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
    assert agree >= rows - 5

"""What the layers' linter cannot say: every room declares itself, nothing below the settings reads the environment."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "zdda").rglob("*.py"))
READS_ENVIRONMENT = {"settings.py"}
READS_CLOCK = {"model/clock.py"}


def names_used(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
    return found


def relative(path: Path) -> str:
    return path.relative_to(ROOT / "zdda").as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_only_the_settings_read_the_environment(path: Path) -> None:
    if relative(path) not in READS_ENVIRONMENT:
        assert not names_used(path) & {"os.environ", "os.getenv"}


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_only_the_clock_reads_the_time(path: Path) -> None:
    if relative(path) not in READS_CLOCK:
        assert not names_used(path) & {"datetime.now", "datetime.utcnow", "time.time", "date.today"}


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_only_retention_makes_permits_to_erase(path: Path) -> None:
    """By that name, by another one or through the module: whoever only takes permits imports the type and nothing
    calls or copies it."""
    if path.relative_to(ROOT / "zdda").parts[0] == "retention":
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "ErasePermit" for alias in node.names):
            assert all(alias.asname is None for alias in node.names if alias.name == "ErasePermit")
        if isinstance(node, ast.ImportFrom | ast.Import):
            assert not (isinstance(node, ast.Import) and any("erase_permit" in alias.name for alias in node.names))
            assert not (isinstance(node, ast.ImportFrom) and any(alias.name == "erase_permit" for alias in node.names))
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert not called.endswith("ErasePermit"), relative(path)
            assert not (called.endswith("replace") and "permit" in ast.unparse(node)), relative(path)


def test_the_layers_hold() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_says_what_it_is_for() -> None:
    for path in SOURCES:
        if path.name == "__init__.py" and "versions" not in path.parts:
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), relative(path)


def test_files_stay_readable_in_one_sitting() -> None:
    long = {relative(path): lines for path in SOURCES if (lines := len(path.read_text("utf-8").splitlines())) > 500}
    assert not long

"""The documents are true: settings, problems, requirements, the tour."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from zdda.api.problems import KNOWN
from zdda.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
NAME = re.compile(r"`(zdda(?:\.\w+)+):(\w+(?:\.\w+)*)`")


def settings_rows(model: type[BaseModel], prefix: str = "") -> list[str]:
    """One row for each key: name, default, meaning."""
    rows = []
    for name, field in model.model_fields.items():
        kind: Any = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            rows += settings_rows(kind, f"{prefix}{name}.")
            continue
        members = [
            each for each in getattr(kind, "__args__", ()) if isinstance(each, type) and issubclass(each, BaseModel)
        ]
        if members:
            rows.append(f"| `{prefix}{name}` | none | {field.description}: a list of tables, each with |")
            rows += settings_rows(members[0], f"{prefix}{name}[].")
            continue
        default = "required" if field.is_required() else f"`{_text(field.default)}`"
        rows.append(f"| `{prefix}{name}` | {default} | {field.description} |")
    return rows


def _text(value: Any) -> str:
    if hasattr(value, "get_secret_value"):
        return str(value.get_secret_value())
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(getattr(value, "value", value))


def test_every_setting_is_documented_with_its_default() -> None:
    text = (DOCS / "operations" / "settings.md").read_text("utf-8")
    documented = [line for line in text.splitlines() if line.startswith("| `")]
    assert documented == settings_rows(Settings)


def test_every_problem_is_documented() -> None:
    text = (DOCS / "integrators" / "problems.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", text, re.MULTILINE))
    assert documented == {code: str(known.status) for code, known in KNOWN.items()}


def named(document: Path) -> list[tuple[str, str]]:
    return NAME.findall(document.read_text("utf-8"))


def resolve(module: str, qualified: str) -> Any:
    found: Any = importlib.import_module(module)
    for part in qualified.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize(("module", "qualified"), named(DOCS / "tour.md"), ids=lambda text: text)
def test_every_name_of_the_tour_resolves(module: str, qualified: str) -> None:
    assert callable(resolve(module, qualified))


def test_every_requirement_has_one_row_and_what_is_claimed_exists() -> None:
    text = (DOCS / "conformity.md").read_text("utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| [A-H]\d+ \|", line)]
    identifiers = [row[0] for row in rows]
    assert len(set(identifiers)) == len(identifiers) == 79
    for path in re.findall(r"`((?:zdda|tests|docs|schemas)/[^`]+)`", text):
        assert (ROOT / path).exists(), path


def test_the_requirements_are_those_of_the_tender(shared: Path) -> None:
    wanted = set(re.findall(r"^\| ([A-H]\d+) \|", (shared / "requirements.md").read_text("utf-8"), re.MULTILINE))
    listed = set(re.findall(r"^\| ([A-H]\d+) \|", (DOCS / "conformity.md").read_text("utf-8"), re.MULTILINE))
    assert listed == wanted


@pytest.mark.parametrize("document", [*sorted(DOCS.rglob("*.md")), ROOT / "README.md"], ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
        assert (document.parent / target).exists(), target

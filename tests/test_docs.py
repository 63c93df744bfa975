"""The documents are true: settings, problems, requirements, the tour."""

from __future__ import annotations

import importlib
import re
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from pydantic import BaseModel

from zdda.api.problems import KNOWN
from zdda.cli.running_demonstration import PRODUCER, start
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
        if members and type(None) in kind.__args__:
            rows.append(f"| `{prefix}{name}` | none | {field.description}: a table with |")
            rows += settings_rows(members[0], f"{prefix}{name}.")
            continue
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
    for path in re.findall(r"`((?:zdda|tests|docs|schemas|benchmarks)/[^`]+)`", text):
        assert (ROOT / path).exists(), path


def test_the_requirements_are_those_of_the_tender(shared: Path) -> None:
    wanted = set(re.findall(r"^\| ([A-H]\d+) \|", (shared / "requirements.md").read_text("utf-8"), re.MULTILINE))
    listed = set(re.findall(r"^\| ([A-H]\d+) \|", (DOCS / "conformity.md").read_text("utf-8"), re.MULTILINE))
    assert listed == wanted


@pytest.mark.parametrize("document", [*sorted(DOCS.rglob("*.md")), ROOT / "README.md"], ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
        assert (document.parent / target).exists(), target


def test_the_tour_is_in_the_order_of_calls(tmp_path: Path) -> None:
    """Deposits one document; the tour's functions must be called in the tour's order (the runner looks for work in
    between, so other calls may come between them)."""
    numbered = [line for line in (DOCS / "tour.md").read_text("utf-8").splitlines() if re.match(r"\d+\. ", line)]
    stops = [NAME.search(line) for line in numbered]
    wanted = [(stop[1], stop[2]) for stop in stops if stop is not None]
    assert len(wanted) == len(numbered) > 20
    calls: list[tuple[str, str]] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        place = (frame.f_globals.get("__name__", ""), frame.f_code.co_qualname)
        if event == "call" and place in wanted:
            calls.append(place)

    threading.setprofile(note)
    try:
        running = start(tmp_path / "archive")
        calls.clear()
        metadata = b'{"title":"t","documentType":"d","retentionClass":"medical-record"}'
        parts = [
            ("metadata", (None, metadata, "application/json")),
            ("document", ("a.txt", b"content", "text/plain")),
        ]
        with running.client(PRODUCER) as client:
            assert client.post("/v1/deposits", files=parts).status_code == 201
        running.stop()
    finally:
        threading.setprofile(None)  # type: ignore[arg-type]
    remaining = iter(calls)
    out_of_order = [f"{module}:{name}" for module, name in wanted if (module, name) not in remaining]
    assert not out_of_order

"""The inventory's form: what every line has, what is never in it, what a reader refuses."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.archive import SimulatedArchive, make_archive
from tests.simulator.pki import NOW, pki, stranger
from zdda.app_stopped import open_to_doubt
from zdda.fsck.inventory import InventoryMalformed, encode_line, read_inventory
from zdda.fsck.store_check import StoreCheck
from zdda.settings import load
from zdda.trust.anchors import TrustAnchors

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "fsck" / "inventory-1.jsonl"
SECRETS = ("Tajný titul", "Novák", "8001011234", "KIS-4711", "klíč-1", "Zpráva.pdf", "oddělení")


def inventory_of(folder: Path, anchors: TrustAnchors | None = None) -> list[dict[str, Any]]:
    with open_to_doubt(load(folder / "zdda.toml"), folder) as stores:
        return list(StoreCheck(stores, pki().anchors if anchors is None else anchors, NOW).lines())


def with_deposit(folder: Path) -> SimulatedArchive:
    archive = make_archive(folder)
    metadata = {
        "title": SECRETS[0],
        "originator": SECRETS[1],
        "subjects": [{"type": "national-id", "value": SECRETS[2]}],
        "externalId": {"producer": "kis", "id": SECRETS[3]},
        "fields": {"ward": SECRETS[6]},
    }
    archive.deposit([b"one"], metadata, SECRETS[4], [SECRETS[5]])
    return archive


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inventory") / "archive"
    archive = with_deposit(folder)
    archive.settle()
    archive.close()
    return folder


def test_the_golden_inventory_is_read() -> None:
    with GOLDEN.open("rb") as file:
        lines = list(read_inventory(file))
    assert b"".join(map(encode_line, lines)) == GOLDEN.read_bytes()
    assert {line["type"] for line in lines} == {
        "inventory",
        "object",
        "batch",
        "amendment",
        "archived",
        "package",
        "finding",
        "summary",
    }


def test_lines_have_the_members_of_the_golden_inventory(folder: Path, tmp_path: Path) -> None:
    with GOLDEN.open("rb") as file:
        golden = {line["type"]: line for line in read_inventory(file)}
    for line in inventory_of(folder):
        assert shape(line) == shape(golden[line["type"]]), line["type"]


def shape(value: Any) -> Any:
    """Members and types, counters of lines apart."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items() if name != "lines"}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def test_nothing_of_the_producers_words_is_in_it(folder: Path) -> None:
    text = b"".join(map(encode_line, inventory_of(folder))).decode()
    for secret in SECRETS:
        assert secret not in text


def test_the_description_depends_on_every_word_and_on_the_key(folder: Path, tmp_path: Path) -> None:
    def descriptions(of: Path) -> list[str]:
        return [line["description"] for line in inventory_of(of) if line["type"] == "package"]

    archive = make_archive(tmp_path / "words")
    archive.deposit([b"one"], names=["a.pdf"])
    archive.deposit([b"one"], names=["a.pdf"])
    archive.deposit([b"one"], names=["b.pdf"])
    archive.deposit([b"one"], {"title": "Jiná zpráva"}, names=["a.pdf"])
    archive.deposit([b"one"], None, "key", ["a.pdf"])
    archive.settle()
    archive.close()
    assert len(set(descriptions(tmp_path / "words"))) == 4
    again = with_deposit(tmp_path / "another")
    again.settle()
    again.close()
    assert descriptions(folder) != descriptions(tmp_path / "another")  # the same words under another archive's key


def test_a_cut_inventory_is_refused(folder: Path) -> None:
    lines = [encode_line(line) for line in inventory_of(folder)]
    assert list(read_inventory(io.BytesIO(b"".join(lines))))
    for wrong in (
        b"",
        b"".join(lines[:-1]),
        b"".join(lines)[:-1],
        b"".join(lines[1:]),
        b"".join([*lines, lines[1]]),
        b"".join(lines).replace(b":", b": ", 1),
        b"\n" + b"".join(lines),
        lines[0].replace(b"zdda-inventory/1", b"zdda-inventory/2") + b"".join(lines[1:]),
        lines[0] + b"[]\n" + lines[-1],
        lines[0] + b"{}\n" + lines[-1],
        lines[0] + b'{"type":1}\n' + lines[-1],
    ):
        with pytest.raises(InventoryMalformed):
            list(read_inventory(io.BytesIO(wrong)))


def test_lines_of_types_yet_unknown_are_passed_on(folder: Path) -> None:
    lines = [encode_line(line) for line in inventory_of(folder)]
    lines.insert(1, b'{"type":"renewal"}\n')
    assert {"type": "renewal"} in list(read_inventory(io.BytesIO(b"".join(lines))))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_rubbish_is_refused_and_nothing_else_is_raised(data: bytes) -> None:
    with pytest.raises(InventoryMalformed):
        list(read_inventory(io.BytesIO(data)))


def test_without_anchors_nothing_is_proven_and_nothing_broken(folder: Path) -> None:
    lines = inventory_of(folder, TrustAnchors())
    findings = [line for line in lines if line["type"] == "finding"]
    assert {line["severity"] for line in findings} == {"unproven"}
    assert {line["code"] for line in findings} >= {"batch-token-no-anchors", "amendment-no-anchors", "seal-no-anchors"}


def test_another_anchor_breaks_trust(folder: Path) -> None:
    findings = [line for line in inventory_of(folder, stranger().anchors) if line["type"] == "finding"]
    assert {line["code"] for line in findings} >= {"batch-token-untrusted", "amendment-untrusted", "seal-untrusted"}
    assert {line["severity"] for line in findings} >= {"broken"}


class Crash(BaseException):
    """Everything stops here."""


@pytest.mark.parametrize(
    ("point", "codes"),
    [
        ("stored.put", {"package-without-evidence"}),
        ("batch.timestamped", {"package-without-evidence"}),
        ("batch.object-stored", {"package-without-amendment", "batch-without-amendment"}),
        ("archived.amendment-stored", set()),
    ],
)
def test_what_is_on_its_way_is_pending(tmp_path: Path, point: str, codes: set[str]) -> None:
    def crash(reached: str) -> None:
        if reached == point:
            raise Crash

    archive = make_archive(tmp_path / "archive", crash=crash)
    archive.deposit([b"one"])
    with pytest.raises(Crash):
        archive.settle()
    archive.close()
    lines = inventory_of(tmp_path / "archive")
    findings = [line for line in lines if line["type"] == "finding"]
    assert {line["code"] for line in findings} == codes
    assert {line["severity"] for line in findings} <= {"pending"}
    archive = make_archive(tmp_path / "archive")
    archive.settle()
    archive.close()


def test_an_empty_archive_is_clean(tmp_path: Path) -> None:
    make_archive(tmp_path / "archive").close()
    lines = inventory_of(tmp_path / "archive")
    assert [line["type"] for line in lines] == ["inventory", "summary"]
    assert lines[-1]["clean"] is True

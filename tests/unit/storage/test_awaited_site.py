from __future__ import annotations

import io
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from zdda import blob_stores
from zdda.blob_stores import Kind, Opening, open_sites
from zdda.model.clock import system_entropy
from zdda.model.errors import Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.settings import Settings, load
from zdda.storage.blob_store import BlobStore, StoreFailed, WrongStore
from zdda.storage.memory_blobs import MemoryBlobs

UNTIL = datetime(2032, 1, 1, tzinfo=UTC)
DATA = b"an object"
ADDRESS = ContentAddress(sha256(DATA).digest())


class Places:
    """Which sites answer, and which were opened."""

    def __init__(self) -> None:
        self.errors: dict[str, Exception] = {}
        self.opened: list[str] = []

    def open(self, opening: Opening) -> BlobStore:
        if opening.site.name in self.errors:
            raise self.errors[opening.site.name]
        self.opened.append(opening.site.name)
        return MemoryBlobs()


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Places:
    made = Places()
    kind = Kind(made.open, blob_stores.KINDS["memory"].doubt)
    monkeypatch.setattr(blob_stores, "KINDS", {**blob_stores.KINDS, "memory": kind})
    return made


def settings(folder: Path) -> Settings:
    text = "".join(f'[[sites]]\nname = "{name}"\nkind = "memory"\n' for name in ("praha", "brno"))
    (folder / "zdda.toml").write_text(text, "utf-8")
    return load(folder / "zdda.toml")


def test_a_site_that_was_away_is_opened_when_it_answers(tmp_path: Path, places: Places) -> None:
    places.errors["brno"] = Unavailable("away")
    praha, brno = open_sites(settings(tmp_path), tmp_path, system_entropy)
    praha.blobs.put(ADDRESS, len(DATA), lambda: io.BytesIO(DATA), UNTIL)
    for _ in range(2):
        with pytest.raises(Unavailable):
            brno.blobs.stat(ADDRESS)
    del places.errors["brno"]
    brno.blobs.put(ADDRESS, len(DATA), lambda: io.BytesIO(DATA), UNTIL)
    assert brno.blobs.open(ADDRESS).read() == DATA
    assert list(brno.blobs.addresses()) == [ADDRESS]
    assert brno.blobs.stat(ADDRESS).retain_until == UNTIL
    assert places.opened == ["praha", "brno"]
    brno.close()


def test_what_opens_late_may_turn_out_to_be_another_archives(tmp_path: Path, places: Places) -> None:
    places.errors["brno"] = Unavailable("away")
    _, brno = open_sites(settings(tmp_path), tmp_path, system_entropy)
    places.errors["brno"] = WrongStore("another archive's")
    with pytest.raises(WrongStore):
        brno.blobs.put(ADDRESS, len(DATA), lambda: io.BytesIO(DATA), UNTIL)


@pytest.mark.parametrize("error", [StoreFailed("the medium"), WrongStore("another archive's")])
def test_an_error_that_waiting_does_not_cure_stops_the_start(error: Exception, tmp_path: Path, places: Places) -> None:
    places.errors["brno"] = error
    with pytest.raises(type(error)):
        open_sites(settings(tmp_path), tmp_path, system_entropy)


def test_without_any_site_there_is_no_start(tmp_path: Path, places: Places) -> None:
    places.errors |= {name: Unavailable("away") for name in ("praha", "brno")}
    with pytest.raises(Unavailable):
        open_sites(settings(tmp_path), tmp_path, system_entropy)

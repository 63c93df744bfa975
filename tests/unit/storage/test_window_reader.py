"""A remote object as a stream: any order of seeks and reads gives its bytes, and what is short is never the end."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zdda.storage import window_reader
from zdda.storage.store_errors import StoreUnreachable
from zdda.storage.window_reader import WindowReader

DATA = bytes(range(256)) * 20


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_reader, "FIRST", 100)
    monkeypatch.setattr(window_reader, "LARGEST", 400)


@given(st.lists(st.tuples(st.integers(0, len(DATA) + 50), st.integers(0, 900)), max_size=12), st.integers(0, 100))
def test_it_reads_as_the_bytes_do(steps: list[tuple[int, int]], given_already: int) -> None:
    reader = io.BufferedReader(
        WindowReader(lambda start, size: DATA[start : start + size], len(DATA), DATA[:given_already]), 64
    )
    plain = io.BytesIO(DATA)
    for position, size in steps:
        assert reader.seek(position) == plain.seek(position)
        assert reader.read(size) == plain.read(size)


def test_reading_on_asks_for_more_at_a_time_up_to_a_bound() -> None:
    asked: list[tuple[int, int]] = []

    def fetch(start: int, size: int) -> bytes:
        asked.append((start, size))
        return DATA[start : start + size]

    reader = WindowReader(fetch, len(DATA))
    assert b"".join(iter(lambda: reader.read(1000) or b"", b"")) == DATA
    assert [size for _, size in asked[:4]] == [100, 200, 400, 400]
    reader.seek(7)
    reader.read(1)
    assert asked[-1] == (7, 100)


@pytest.mark.parametrize("given_back", [b"", b"x", b"x" * 101])
def test_fewer_or_more_bytes_than_asked_for_are_no_answer(given_back: bytes) -> None:
    reader = WindowReader(lambda _start, _size: given_back, len(DATA))
    with pytest.raises(StoreUnreachable):
        reader.read(10)


def test_there_is_nothing_before_the_first_byte() -> None:
    reader = WindowReader(lambda _start, _size: b"", 0)
    assert reader.read(10) == b""
    with pytest.raises(ValueError, match="before"):
        reader.seek(-1)
    assert reader.seek(0, io.SEEK_END) == 0

"""The cache in front of slow stores: bounded, verified, one reading at a time, never the only copy."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import BinaryIO

import pytest
from structlog.testing import capture_logs

from tests.simulator.faulty_disk import failing
from zdda.model.errors import NotFound, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.storage.read_cache import SEGMENT, ReadCache
from zdda.storage.s3_errors import StoreUnreachable

DATA = os.urandom(3 * SEGMENT + 17)


def address_of(data: bytes) -> ContentAddress:
    return ContentAddress(hashlib.sha256(data).digest())


class Store:
    """Counts how often it is read."""

    def __init__(self) -> None:
        self.objects: dict[ContentAddress, bytes] = {}
        self.read = 0

    def put(self, data: bytes) -> ContentAddress:
        self.objects[address_of(data)] = data
        return address_of(data)

    def opening(self, address: ContentAddress) -> Callable[[], BinaryIO]:
        def open_it() -> BinaryIO:
            self.read += 1
            if address not in self.objects:
                raise NotFound("the store holds no such object")
            return io.BytesIO(self.objects[address])

        return open_it


class Bench:
    """A cache before a store."""

    def __init__(self, folder: Path, limit: int = 40 * len(DATA)) -> None:
        self.folder, self.limit = folder, limit
        self.store, self.cache = Store(), ReadCache(folder, limit)

    def get(self, address: ContentAddress, length: int = len(DATA)) -> bytes:
        with self.cache.open(address, length, self.store.opening(address)) as stream:
            return stream.read()

    def reopen(self) -> None:
        self.cache.close()
        self.cache = ReadCache(self.folder, self.limit)

    def file(self, address: ContentAddress) -> Path:
        return self.folder / address.digest.hex()[:2] / address.digest.hex()

    def flip(self, address: ContentAddress, at: int) -> None:
        with self.file(address).open("r+b") as file:
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ 1]))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "cache")


def test_what_was_read_is_read_from_the_store_once(bench: Bench) -> None:
    address = bench.store.put(DATA)
    assert [bench.get(address) for _ in range(3)] == [DATA] * 3
    with bench.cache.open(address, len(DATA), bench.store.opening(address)) as stream:
        assert stream.seek(-5, os.SEEK_END) == len(DATA) - 5
        assert stream.read() == DATA[-5:]
        stream.seek(SEGMENT - 3)
        assert io.BufferedReader(stream).read(7) == DATA[SEGMENT - 3 : SEGMENT + 4]  # type: ignore[type-var]
    assert bench.store.read == 1
    bench.reopen()
    assert bench.get(address) == DATA
    assert bench.store.read == 1


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("at", [0, SEGMENT + 1, len(DATA) - 1])
def test_a_flipped_byte_is_never_delivered(at: int, restarted: bool, bench: Bench) -> None:
    address = bench.store.put(DATA)
    bench.get(address)
    bench.flip(address, at)
    if restarted:
        bench.reopen()
    with capture_logs() as logs:
        assert bench.get(address) == DATA
    assert [each["event"] for each in logs] == ["cache-damaged"]
    assert (bench.get(address), bench.store.read) == (DATA, 2 if restarted else 3)


@pytest.mark.parametrize("left", [0, 1, SEGMENT, len(DATA) - 1, len(DATA) + 1])
def test_a_torn_or_longer_file_is_never_delivered(left: int, bench: Bench) -> None:
    address = bench.store.put(DATA)
    bench.get(address)
    bench.file(address).write_bytes((DATA + b"x")[:left])
    assert bench.get(address) == DATA
    bench.get(address)
    bench.file(address).write_bytes((DATA + b"x")[:left])
    bench.reopen()
    assert bench.get(address) == DATA


def test_an_object_under_anothers_name_is_never_delivered(bench: Bench) -> None:
    address, other = bench.store.put(DATA), bench.store.put(DATA[::-1])
    bench.get(address), bench.get(other)
    bench.file(address).write_bytes(DATA[::-1])
    assert bench.get(address) == DATA
    bench.file(address).write_bytes(DATA[::-1])
    bench.reopen()
    assert bench.get(address) == DATA


def test_damage_met_while_reading_goes_on_from_the_store(bench: Bench) -> None:
    address = bench.store.put(DATA)
    bench.get(address)
    with bench.cache.open(address, len(DATA), bench.store.opening(address)) as stream:
        assert stream.read(10) == DATA[:10]
        bench.flip(address, SEGMENT)
        assert stream.read() == DATA[10:]
        stream.seek(3)
        assert stream.read(3) == DATA[3:6]


def test_wrong_bytes_of_the_store_are_not_kept_and_not_hidden(bench: Bench) -> None:
    address = bench.store.put(DATA)
    bench.store.objects[address] = DATA[:-1] + b"?"
    assert bench.get(address) == DATA[:-1] + b"?"
    bench.store.objects[address] = DATA[:-1]
    assert bench.get(address) == DATA[:-1]
    assert bench.cache.bytes_kept == 0
    with pytest.raises(NotFound):
        bench.get(address_of(b"nothing"))


def test_the_folder_is_bounded_and_what_is_read_again_stays(tmp_path: Path) -> None:
    size = 1000
    bench = Bench(tmp_path, 10 * size)
    objects = [bench.store.put(bytes([n]) * size) for n in range(100)]
    for address in objects[:4] * 2:
        bench.get(address, size)
    for address in objects:
        bench.get(address, size)
        files = list(tmp_path.glob("??/*"))
        assert sum(file.stat().st_size for file in files) == bench.cache.bytes_kept <= 10 * size
    read = bench.store.read
    for address in objects[:4]:
        bench.get(address, size)
    assert bench.store.read == read == 100


def test_a_smaller_bound_holds_at_the_next_opening_and_nothing_empties_the_folder(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 10_000)
    for number in range(10):
        bench.get(bench.store.put(bytes([number]) * 1000), 1000)
    (tmp_path / "00" / "half.new").parent.mkdir(exist_ok=True)
    (tmp_path / "00" / "half.new").write_bytes(b"half")
    bench.limit = 4000
    bench.reopen()
    assert bench.cache.bytes_kept == 4000
    bench.limit = 0
    bench.reopen()
    assert list(tmp_path.glob("??/*")) == []
    assert bench.get(bench.store.put(b""), 0) == b""


def test_a_large_object_is_not_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 4 * len(DATA) - 4)
    address = bench.store.put(DATA)
    assert bench.get(address) == bench.get(address) == DATA
    assert (bench.store.read, bench.cache.bytes_kept) == (2, 0)


@pytest.mark.parametrize("answers", [True, False])
def test_many_who_ask_at_once_read_the_store_once(answers: bool, bench: Bench) -> None:
    address, begun, go_on = bench.store.put(DATA), Event(), Event()
    found: list[object] = []

    def slow() -> BinaryIO:
        bench.store.read += 1
        begun.set()
        go_on.wait(5)
        if not answers:
            raise StoreUnreachable("the store does not answer")
        return io.BytesIO(DATA)

    def ask() -> None:
        try:
            with bench.cache.open(address, len(DATA), slow) as stream:
                found.append(stream.read())
        except StoreUnreachable as error:
            found.append(type(error))

    threads = [Thread(target=ask) for _ in range(8)]
    threads[0].start()
    begun.wait(5)
    for thread in threads[1:]:
        thread.start()
    Event().wait(0.1)
    go_on.set()
    for thread in threads:
        thread.join()
    assert found == [DATA if answers else StoreUnreachable] * 8
    assert bench.store.read == 1


def test_what_is_forgotten_is_overwritten_also_while_it_is_read(bench: Bench) -> None:
    address = bench.store.put(DATA)
    bench.get(address)
    with bench.file(address).open("rb") as held:
        bench.cache.forget(address)
        assert held.read() == bytes(len(DATA))
    assert not bench.file(address).exists()
    assert bench.cache.bytes_kept == 0

    def forgetting() -> BinaryIO:
        bench.cache.forget(address)
        return io.BytesIO(DATA)

    with bench.cache.open(address, len(DATA), forgetting) as stream:
        assert stream.read() == DATA
    assert list(bench.folder.glob("??/*")) == []


def test_a_file_that_cannot_be_overwritten_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    address = bench.store.put(DATA)
    bench.get(address)
    with failing(monkeypatch, "fdatasync", 1, "before", errno.EIO), pytest.raises(Unavailable):
        bench.cache.forget(address)
    bench.cache.forget(address)
    assert not bench.file(address).exists()


@pytest.mark.parametrize("call", ["replace", "open"])
def test_a_failing_disk_of_the_cache_stops_nothing(call: str, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    address = bench.store.put(DATA)
    with failing(monkeypatch, call, 1, "before", errno.ENOSPC):
        assert bench.get(address) == DATA
    assert list(bench.folder.glob("??/*")) == []
    assert bench.get(address) == DATA
    bench.file(address).unlink()
    assert bench.get(address) == DATA


def test_another_process_on_the_same_folder_keeps_nothing(bench: Bench) -> None:
    address, second = bench.store.put(DATA), ReadCache(bench.folder, bench.limit)
    with second.open(address, len(DATA), bench.store.opening(address)) as stream:
        assert stream.read() == DATA
    assert list(bench.folder.glob("??/*")) == []

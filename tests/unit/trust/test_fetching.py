"""Fetching: whom, by which address, how long, how much; what is kept in files."""

from __future__ import annotations

import gzip
import os
import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from zdda.model.clock import FixedClock
from zdda.trust import fetching
from zdda.trust.fetched_files import FetchedFiles
from zdda.trust.fetching import Fetcher

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
URL = "http://crl.example/1.crl"
GLOBAL, PRIVATE = "93.184.216.34", "10.1.2.3"


class Web:
    """Hosts, their addresses, and what they answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FixedClock(NOW)
        self.names: dict[str, list[list[str]]] = {}
        self.requests: list[httpx.Request] = []
        self.answers: dict[str, httpx.Response] = {}
        monkeypatch.setattr(fetching.socket, "getaddrinfo", self._resolve)

    def _resolve(self, host: str, *_: Any) -> list[Any]:
        """The next of the answers of a name server, the last one for ever."""
        listed = self.names.get(host)
        if listed is None:
            raise socket.gaierror
        addresses = listed.pop(0) if len(listed) > 1 else listed[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answers.get(request.url.path) or httpx.Response(200, content=b"answer")

    def fetcher(self, *hosts: str, private: tuple[str, ...] = (), files: FetchedFiles | None = None) -> Fetcher:
        http = httpx.Client(transport=httpx.MockTransport(self.handle))
        return Fetcher(http, (*hosts, *private), private, self.clock, files=files)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    return Web(monkeypatch)


def get(fetcher: Fetcher, url: str = URL, **more: Any) -> bytes | None:
    return fetcher.fetch(url, b"", lambda _: NOW + timedelta(minutes=30), **more)


def test_the_address_that_was_checked_is_the_one_that_is_asked(web: Web) -> None:
    """A name server that answers something else the second time gets nowhere."""
    web.names["crl.example"] = [[GLOBAL], ["127.0.0.1"]]
    assert get(web.fetcher("crl.example")) == b"answer"
    (request,) = web.requests
    assert request.url.host == GLOBAL
    assert request.headers["Host"] == "crl.example"
    assert request.headers["Connection"] == "close"
    assert request.extensions["sni_hostname"] == "crl.example"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        [GLOBAL, PRIVATE],
        ["::1"],
        ["::ffff:10.0.0.1"],
        ["2002:0a00:0001::1"],
        ["fe80::1%eth0"],
        ["169.254.169.254"],
        ["224.0.0.1"],
        ["0.0.0.0"],
        [],
    ],
)
def test_a_host_with_one_address_that_is_not_global_is_not_asked(addresses: list[str], web: Web) -> None:
    web.names["crl.example"] = [addresses]
    assert get(web.fetcher("crl.example")) is None
    assert web.requests == []


def test_a_private_host_is_asked_only_when_named_as_such(web: Web) -> None:
    web.names["crl.example"] = [[PRIVATE]]
    assert get(web.fetcher("crl.example")) is None
    assert get(web.fetcher(private=("crl.example",))) == b"answer"


@pytest.mark.parametrize(
    "url",
    ["ftp://crl.example/1", "http://other.example/1", "http://me@crl.example/1", "http://x:y/", "file:///etc/passwd"],
)
def test_nobody_else_is_asked(url: str, web: Web) -> None:
    web.names["crl.example"] = [[GLOBAL]]
    assert get(web.fetcher("crl.example"), url) is None
    assert web.requests == []


def test_redirects_stay_among_the_hosts_named_and_come_to_an_end(web: Web) -> None:
    web.names = {"crl.example": [[GLOBAL]], "cdn.example": [[GLOBAL]], "evil.example": [[GLOBAL]]}
    web.answers["/1.crl"] = httpx.Response(302, headers={"Location": "http://cdn.example/2.crl"})
    assert get(web.fetcher("crl.example", "cdn.example")) == b"answer"
    assert get(web.fetcher("crl.example")) is None
    web.answers["/2.crl"] = httpx.Response(301, headers={"Location": "http://127.0.0.1/secret"})
    assert get(web.fetcher("crl.example", "cdn.example")) is None
    web.answers["/2.crl"] = httpx.Response(307, headers={"Location": "/1.crl"})
    web.requests.clear()
    assert get(web.fetcher("crl.example", "cdn.example")) is None
    assert len(web.requests) == fetching.MAXIMUM_REDIRECTS + 1


def test_a_redirect_to_a_private_address_is_not_followed(web: Web) -> None:
    web.names = {"crl.example": [[GLOBAL]], "inner.example": [[PRIVATE]]}
    web.answers["/1.crl"] = httpx.Response(302, headers={"Location": "http://inner.example/"})
    assert get(web.fetcher("crl.example", "inner.example")) is None
    assert len(web.requests) == 1


def test_what_is_too_long_is_dropped(web: Web) -> None:
    web.names["crl.example"] = [[GLOBAL]]
    assert get(web.fetcher("crl.example"), most=5) is None
    assert get(web.fetcher("crl.example"), most=6) == b"answer"


def test_an_answer_is_sent_as_it_is_counted(web: Web) -> None:
    web.names["crl.example"] = [[GLOBAL]]
    get(web.fetcher("crl.example"))
    assert web.requests[0].headers["Accept-Encoding"] == "identity"
    bomb = gzip.compress(bytes(100_000))
    web.answers["/1.crl"] = httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=bomb)
    assert get(web.fetcher("crl.example")) is None


def test_who_takes_too_long_is_left(monkeypatch: pytest.MonkeyPatch, web: Web) -> None:
    web.names["crl.example"] = [[GLOBAL]]
    moments = iter([0.0, 1.0, 11.0])
    monkeypatch.setattr(fetching.time, "monotonic", lambda: next(moments))
    assert web.fetcher("crl.example").ask(URL, b"") is None


def test_of_many_who_want_one_answer_one_asks(web: Web) -> None:
    web.names["crl.example"] = [[GLOBAL]]
    fetcher, found = web.fetcher("crl.example"), []
    threads = [threading.Thread(target=lambda: found.append(get(fetcher))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"answer"] * 8
    assert len(web.requests) == 1


# --- files


@pytest.fixture
def files(tmp_path: Path) -> FetchedFiles:
    return FetchedFiles(tmp_path / "fetched", 10_000)


def test_an_answer_outlives_the_process(web: Web, files: FetchedFiles) -> None:
    web.names["crl.example"] = [[GLOBAL]]
    get(web.fetcher("crl.example", files=files))
    assert get(web.fetcher("crl.example", files=files)) == b"answer"
    assert len(web.requests) == 1
    web.clock.move_to(NOW + timedelta(minutes=31))
    assert get(web.fetcher("crl.example", files=files)) == b"answer"
    assert len(web.requests) == 2


def test_a_clock_set_back_does_not_make_old_answers_new(web: Web, files: FetchedFiles) -> None:
    web.names["crl.example"] = [[GLOBAL]]
    get(web.fetcher("crl.example", files=files))
    web.clock.move_to(NOW - timedelta(days=365))
    get(web.fetcher("crl.example", files=files))
    assert len(web.requests) == 2


def test_failures_are_not_written(web: Web, files: FetchedFiles, tmp_path: Path) -> None:
    assert get(web.fetcher("crl.example", files=files)) is None
    assert not (tmp_path / "fetched").exists()


@pytest.mark.parametrize("place", [0, 20, 45, -1])
def test_a_damaged_file_is_not_believed(place: int, files: FetchedFiles, tmp_path: Path) -> None:
    files.write((URL, b""), NOW, b"a" * 100)
    (file,) = (tmp_path / "fetched").iterdir()
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)
    assert files.read((URL, b"")) is None
    assert not file.exists()


def test_a_file_under_another_name_is_not_believed(files: FetchedFiles, tmp_path: Path) -> None:
    files.write((URL, b""), NOW, b"one")
    (file,) = (tmp_path / "fetched").iterdir()
    files.write((URL, b"other"), NOW, b"two")
    (other,) = (each for each in (tmp_path / "fetched").iterdir() if each != file)
    os.replace(file, other)
    assert files.read((URL, b"other")) is None


def test_address_and_question_are_told_apart(files: FetchedFiles) -> None:
    files.write(("http://a", b"bc"), NOW, b"one")
    assert files.read(("http://ab", b"c")) is None
    assert files.read(("http://a", b"bc")) == (NOW, b"one")


def test_the_folder_is_bounded_and_the_oldest_go_first(files: FetchedFiles, tmp_path: Path) -> None:
    for number in range(10):
        files.write((f"{URL}?{number}", b""), NOW, bytes(2000))
        newest = max((tmp_path / "fetched").iterdir(), key=lambda each: each.stat().st_mtime_ns)
        os.utime(newest, ns=(number, number))
    sizes = [each.stat().st_size for each in (tmp_path / "fetched").iterdir()]
    assert sum(sizes) <= 10_000
    assert files.read((f"{URL}?9", b"")) is not None
    assert files.read((f"{URL}?0", b"")) is None
    files.write(("http://large", b""), NOW, bytes(10_001))
    assert files.read(("http://large", b"")) is None


def test_a_disk_that_fails_keeps_nothing_and_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    files = FetchedFiles(tmp_path / "file" / "fetched", 10_000)
    files.write((URL, b""), NOW, b"answer")
    assert files.read((URL, b"")) is None

"""Fetches over HTTP what certificates point to. Nothing is asked of a host that the settings do not name.

What a certificate says is hostile input, and so is what comes back: data, not truth. The address of a host that may not
be private is looked up, checked and *used*: the connection goes to the very address that was checked, so that a name
cannot point elsewhere a moment later. Time, size and redirects are bounded; of several callers who want the same
answer, one asks.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from functools import lru_cache

import httpx
import structlog

from zdda.model.clock import Clock
from zdda.trust.fetched_files import FetchedFiles

MAXIMUM_ANSWER = 64 * 1024 * 1024
MAXIMUM_REDIRECTS = 3
_ADDRESSES_TRIED = 3
_LONGEST_KEPT = timedelta(hours=1)
_SHORTEST_KEPT = timedelta(seconds=30)
_KEPT_BYTES = 256 * 1024 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_log = structlog.get_logger(__name__)

Due = Callable[[bytes], datetime | None]
"""When an answer says that a newer one is due; None where it does not say."""


@lru_cache(maxsize=1024)
def _parsed(url: str) -> httpx.URL | None:
    """None for what is no address. The same few stand in most certificates."""
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return None


class Fetcher:
    """Thread-safe. ``hosts`` may be asked; those in ``private_hosts`` may have loopback or private addresses.

    An answer is kept until it says that a newer one is due, for an hour at most; a failure for half a minute. ``files``
    keep answers over a restart. ``timeout``: seconds for the whole of one answer, redirects included.
    """

    def __init__(
        self,
        http: httpx.Client,
        hosts: Collection[str],
        private_hosts: Collection[str],
        clock: Clock,
        timeout: float = 10.0,
        files: FetchedFiles | None = None,
    ) -> None:
        self._http, self._clock, self._timeout, self._files = http, clock, timeout, files
        self._hosts, self._private = frozenset(hosts), frozenset(private_hosts)
        self._kept: OrderedDict[tuple[str, bytes], tuple[datetime, bytes | None]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._flights: dict[tuple[str, bytes], threading.Lock] = {}

    @property
    def may_ask(self) -> bool:
        """Whether any host is named at all."""
        return bool(self._hosts)

    def may_ask_at(self, url: str) -> bool:
        """Whether the settings name the host of ``url``."""
        parsed = _parsed(url)
        return parsed is not None and self._named(parsed)

    def _named(self, url: httpx.URL) -> bool:
        return url.scheme in ("http", "https") and url.host in self._hosts and not url.userinfo

    def fetch(self, url: str, body: bytes, due: Due, most: int = MAXIMUM_ANSWER) -> bytes | None:
        """GET, or with a ``body`` an OCSP request by POST; None for whatever goes wrong. ``most``: bytes."""
        place = (url, body)
        with self._lock:
            flight = self._flights.setdefault(place, threading.Lock())
        if not flight.acquire(timeout=2 * self._timeout):
            return None
        try:
            known = self._known(place)
            if known is not None:
                return known[1]
            answer = self.ask(url, body, most)
            self._keep(place, answer, None if answer is None else due(answer))
        finally:
            flight.release()
            with self._lock:
                self._flights.pop(place, None)
        return answer

    def _known(self, place: tuple[str, bytes]) -> tuple[datetime, bytes | None] | None:
        now = self._clock.now()
        with self._lock:
            kept = self._kept.get(place)
        if kept is not None and now < kept[0] <= now + _LONGEST_KEPT:
            return kept
        stored = self._files.read(place) if self._files is not None else None
        if stored is not None and now < stored[0] <= now + _LONGEST_KEPT:
            self._remember(place, *stored)
            return stored
        return None

    def _keep(self, place: tuple[str, bytes], answer: bytes | None, due: datetime | None) -> None:
        now = self._clock.now()
        until = now + _SHORTEST_KEPT
        if answer is not None:
            until = max(until, min(due or until, now + _LONGEST_KEPT))
            if self._files is not None:
                self._files.write(place, until, answer)
        self._remember(place, until, answer)

    def _remember(self, place: tuple[str, bytes], until: datetime, answer: bytes | None) -> None:
        with self._lock:
            before = self._kept.pop(place, None)
            self._size += len(answer or b"") - len((before and before[1]) or b"")
            self._kept[place] = (until, answer)
            while self._size > _KEPT_BYTES or len(self._kept) > 4096:
                _, (_, dropped) = self._kept.popitem(last=False)
                self._size -= len(dropped or b"")

    def ask(self, url: str, body: bytes, most: int = MAXIMUM_ANSWER) -> bytes | None:
        """One request and the redirects it leads to, nothing kept; None for whatever goes wrong."""
        deadline = time.monotonic() + self._timeout
        try:
            target = httpx.URL(url)
            for _ in range(MAXIMUM_REDIRECTS + 1):
                answer, location = self._once(target, body, most, deadline)
                if location is None:
                    return answer
                target = target.join(location)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            _log.warning("revocation-host-fails", error=type(error).__name__)
            return None
        _log.warning("revocation-host-redirects", host=target.host)
        return None

    def _once(self, url: httpx.URL, body: bytes, most: int, deadline: float) -> tuple[bytes | None, str | None]:
        """(answer, where it is said to be instead)."""
        if not self._named(url):
            return None, None
        addresses = list(self._addresses(url.host))
        for number, address in enumerate(addresses, 1):
            try:
                return self._from(url, address, body, most, deadline)
            except httpx.ConnectError:
                if number == len(addresses):
                    raise
        return None, None

    def _addresses(self, host: str) -> Iterator[str | None]:
        """The addresses to connect to, all of them global; None for one the settings say may be anywhere."""
        if host in self._private:
            yield None
            return
        try:
            found = list(dict.fromkeys(str(item[4][0]) for item in socket.getaddrinfo(host, None)))
        except (OSError, UnicodeError):
            return
        if all(_is_global(address) for address in found):
            yield from found[:_ADDRESSES_TRIED]

    def _from(
        self, url: httpx.URL, address: str | None, body: bytes, most: int, deadline: float
    ) -> tuple[bytes | None, str | None]:
        left = deadline - time.monotonic()
        if left <= 0:
            return None, None
        # No decoding: what is sent is what is counted and kept.
        headers = {"Accept-Encoding": "identity", **({"Content-Type": "application/ocsp-request"} if body else {})}
        target, extensions = url, {}
        if address is not None:
            # The host keeps its name in the Host header and in TLS, whose certificate is checked against it; another
            # name at the same address gets no connection that was checked for this one.
            target = url.copy_with(host=address)
            headers |= {"Host": url.netloc.decode("ascii"), "Connection": "close"}
            extensions = {"sni_hostname": url.host}
        request = self._http.stream(
            "POST" if body else "GET",
            target,
            content=body or None,
            headers=headers,
            timeout=left,
            follow_redirects=False,
            extensions=extensions,
        )
        with request as response:
            if response.status_code in _REDIRECTS:
                return None, response.headers.get("Location", "")
            response.raise_for_status()
            if response.headers.get("Content-Encoding", "identity") != "identity":
                return None, None
            answer = bytearray()
            for chunk in response.iter_bytes():
                answer += chunk
                if len(answer) > most or time.monotonic() > deadline:
                    _log.warning("revocation-answer-too-large-or-slow", host=url.host)
                    return None, None
            return bytes(answer), None


def _is_global(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (mapped is None or mapped.is_global)

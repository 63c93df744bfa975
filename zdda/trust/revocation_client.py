"""Fetches CRLs and OCSP answers of certificates at intake. Nothing is asked of a host that the settings do not name.

What comes back is data, not truth: signatures and times are judged where paths are.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

import httpx
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from zdda.model.clock import Clock
from zdda.signatures.certificates import load_certificate
from zdda.signatures.errors import FormatError
from zdda.trust.revocation import RevocationData

MAXIMUM_ANSWER = 64 * 1024 * 1024
MAXIMUM_REQUESTS = 32
MAXIMUM_CERTIFICATES = 20
_LONGEST_KEPT = timedelta(hours=1)
_SHORTEST_KEPT = timedelta(seconds=30)
_KEPT_BYTES = 256 * 1024 * 1024
_log = structlog.get_logger(__name__)


class RevocationClient:
    """Thread-safe. ``hosts`` may be asked; those in ``private_hosts`` may have loopback or private addresses.

    An answer is kept until it says that a newer one is due, for an hour at most; a failure for half a minute. Of
    several callers who want the same answer, one asks.
    """

    def __init__(
        self,
        http: httpx.Client,
        hosts: Collection[str],
        private_hosts: Collection[str],
        clock: Clock,
        timeout: float = 10.0,
    ) -> None:
        self._http, self._clock, self._timeout = http, clock, timeout
        self._hosts, self._private = frozenset(hosts), frozenset(private_hosts)
        self._kept: OrderedDict[tuple[str, bytes], tuple[datetime, bytes | None]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._flights: dict[tuple[str, bytes], threading.Lock] = {}

    def fetch(self, certificates: Sequence[bytes]) -> RevocationData:
        """What can be had about those of ``certificates`` (DER) whose issuer is among them too; never raises for a
        certificate that cannot be read or a host that does not answer."""
        crls: dict[bytes, None] = {}
        ocsps: dict[bytes, None] = {}
        if not self._hosts:
            return RevocationData()
        for kind, url, body in _questions(tuple(certificates[:MAXIMUM_CERTIFICATES]))[:MAXIMUM_REQUESTS]:
            answer = self._answer(kind, url, body)
            if answer is not None:
                (crls if kind == "crl" else ocsps)[answer] = None
        return RevocationData(tuple(crls), tuple(ocsps))

    def _answer(self, kind: str, url: str, body: bytes) -> bytes | None:
        place = (url, body)
        with self._lock:
            flight = self._flights.setdefault(place, threading.Lock())
        if not flight.acquire(timeout=2 * self._timeout):
            return None
        try:
            with self._lock:
                kept = self._kept.get(place)
                if kept is not None and self._clock.now() < kept[0]:
                    return kept[1]
            answer = self._ask(kind, url, body)
            self._keep(place, answer, _due(kind, answer))
        finally:
            flight.release()
            with self._lock:
                self._flights.pop(place, None)
        return answer

    def _keep(self, place: tuple[str, bytes], answer: bytes | None, due: datetime | None) -> None:
        now = self._clock.now()
        until = now + _SHORTEST_KEPT
        if answer is not None:
            until = max(until, min(due or until, now + _LONGEST_KEPT))
        with self._lock:
            before = self._kept.pop(place, None)
            self._size += len(answer or b"") - len((before and before[1]) or b"")
            self._kept[place] = (until, answer)
            while self._size > _KEPT_BYTES or len(self._kept) > 4096:
                _, (_, dropped) = self._kept.popitem(last=False)
                self._size -= len(dropped or b"")

    def _ask(self, kind: str, url: str, body: bytes) -> bytes | None:
        """One request; ``timeout`` bounds the whole of it. None for whatever goes wrong."""
        try:
            host = httpx.URL(url).host
        except (httpx.InvalidURL, ValueError):
            return None  # what a certificate says is hostile input
        if not self._may_ask(host):
            return None
        deadline = time.monotonic() + self._timeout
        method, headers = ("GET", {}) if kind == "crl" else ("POST", {"Content-Type": "application/ocsp-request"})
        try:
            with self._http.stream(
                method, url, content=body or None, headers=headers, timeout=self._timeout, follow_redirects=False
            ) as response:
                response.raise_for_status()
                answer = bytearray()
                for chunk in response.iter_bytes():
                    answer += chunk
                    if len(answer) > MAXIMUM_ANSWER or time.monotonic() > deadline:
                        _log.warning("revocation-answer-too-large-or-slow", host=host)
                        return None
                return bytes(answer)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            _log.warning("revocation-host-fails", host=host, kind=kind, error=type(error).__name__)
            return None

    def _may_ask(self, host: str) -> bool:
        if host not in self._hosts:
            return False
        if host in self._private:
            return True
        try:
            found = {item[4][0] for item in socket.getaddrinfo(host, None)}
        except (OSError, UnicodeError):
            return False
        return bool(found) and all(ipaddress.ip_address(address).is_global for address in found)


@lru_cache(maxsize=64)
def _questions(certificates: tuple[bytes, ...]) -> tuple[tuple[str, str, bytes], ...]:
    """(kind, address, body) of everything worth asking: for each certificate OCSP, and its CRLs."""
    return tuple(_each_question(certificates))


def _each_question(certificates: Sequence[bytes]) -> Iterator[tuple[str, str, bytes]]:
    parsed = []
    for der in certificates:
        try:
            load_certificate(der)
            parsed.append(x509.load_der_x509_certificate(der))
        except (FormatError, ValueError):
            continue
    for certificate in parsed:
        issuer = next((each for each in parsed if _issued(each, certificate)), None)
        if issuer is None or certificate.subject == certificate.issuer:
            continue
        for url in _ocsp_addresses(certificate):
            request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1()).build()  # noqa: S303
            yield "ocsp", url, request.public_bytes(Encoding.DER)
        for url in _crl_addresses(certificate):
            yield "crl", url, b""


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 - names, keys or algorithms that do not fit: not the issuer
        return False
    return True


def _ocsp_addresses(certificate: x509.Certificate) -> list[str]:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []
    return _http(item.access_location for item in access if item.access_method == AuthorityInformationAccessOID.OCSP)


def _crl_addresses(certificate: x509.Certificate) -> list[str]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []
    return _http(name for point in points for name in point.full_name or ())


def _http(names: Iterator[x509.GeneralName]) -> list[str]:
    found = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    return [url for url in found if url.lower().startswith(("http://", "https://"))][:4]


def _due(kind: str, answer: bytes | None) -> datetime | None:
    """When the answer says that a newer one is due."""
    if answer is None:
        return None
    read: dict[str, Callable[[bytes], datetime | None]] = {
        "crl": lambda data: x509.load_der_x509_crl(data).next_update_utc,
        "ocsp": lambda data: ocsp.load_der_ocsp_response(data).next_update_utc,
    }
    try:
        return read[kind](answer)
    except ValueError:
        return None

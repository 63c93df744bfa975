"""Asks for CRLs, OCSP answers and issuers' certificates at intake: what is worth asking, of which address.

What comes back is data, not truth: signatures and times are judged where paths are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice

import httpx
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from zdda.model.byte_cache import ByteCache
from zdda.model.clock import Clock
from zdda.signatures.certificates import load_certificate
from zdda.signatures.errors import FormatError
from zdda.trust.fetched_files import FetchedFiles
from zdda.trust.fetching import Fetcher
from zdda.trust.issuer_certificates import MAXIMUM_BUNDLE, missing_issuers
from zdda.trust.revocation import RevocationData

MAXIMUM_REQUESTS = 32
MAXIMUM_CERTIFICATES = 20
MAXIMUM_ISSUERS = 200
_MOST_OF_ONE_NAME = 8
_log = structlog.get_logger(__name__)

_Question = tuple[str, str, bytes]
"""(kind, address, body)."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back; ``unasked``: how many questions were worth asking and were not, because of a bound."""

    revocation: RevocationData
    unasked: int = 0


class RevocationClient:
    """Thread-safe; see ``Fetcher`` for whom it asks and what it keeps."""

    def __init__(
        self,
        http: httpx.Client,
        hosts: Collection[str],
        private_hosts: Collection[str],
        clock: Clock,
        timeout: float = 10.0,
        files: FetchedFiles | None = None,
    ) -> None:
        self._fetcher = Fetcher(http, hosts, private_hosts, clock, timeout, files)

    def fetch(self, certificates: Sequence[bytes]) -> RevocationData:
        """What can be had about ``certificates``; see ``ask``."""
        return self.ask(certificates).revocation

    def ask(self, certificates: Sequence[bytes]) -> Answers:
        """What can be had about those of ``certificates`` (DER) whose issuer is among them too, the first before the
        others; never raises for a certificate that cannot be read or a host that does not answer.

        Of the questions that may be asked at all, 32 about 20 certificates are; the others are counted.
        """
        crls: dict[bytes, None] = {}
        ocsps: dict[bytes, None] = {}
        if not self._fetcher.may_ask:
            return Answers(RevocationData())
        asked, unasked = self._questions(certificates)
        for kind, url, body in asked:
            answer = self._fetcher.fetch(url, body, partial(_due, kind))
            if answer is not None:
                (crls if kind == "crl" else ocsps)[answer] = None
        if unasked:
            _log.warning("revocation-data-not-asked", asked=len(asked), unasked=unasked)
        return Answers(RevocationData(tuple(crls), tuple(ocsps)), unasked)

    def _questions(self, certificates: Sequence[bytes]) -> tuple[list[_Question], int]:
        """Those to ask, in their order, and how many are left out. Each once: many certificates share a CRL."""
        listed = _questions(tuple(certificates[:MAXIMUM_ISSUERS]))
        allowed = [[each for each in of_one if self._fetcher.may_ask_at(each[1])] for of_one in listed]
        chosen: dict[_Question, None] = {}
        about = 0
        for of_one in allowed:
            if of_one and about < MAXIMUM_CERTIFICATES:
                about += 1
                chosen |= dict.fromkeys(of_one)
        asked = list(chosen)[:MAXIMUM_REQUESTS]
        every = {question for of_one in allowed for question in of_one}
        return asked, len(every.difference(asked)) + len(certificates[MAXIMUM_ISSUERS:])

    def fetch_issuers(self, certificates: Sequence[bytes]) -> tuple[bytes, ...]:
        """Certificates (DER) of issuers that are not among ``certificates``; never raises for what cannot be had."""
        left = MAXIMUM_REQUESTS

        def ask(url: str) -> bytes | None:
            nonlocal left
            left -= 1
            return self._fetcher.fetch(url, b"", lambda _: None, MAXIMUM_BUNDLE) if left >= 0 else None

        return missing_issuers(certificates[:MAXIMUM_CERTIFICATES], ask) if self._fetcher.may_ask else ()


_asked: ByteCache[tuple[bytes, ...], tuple[tuple[_Question, ...], ...]] = ByteCache(16 * 1024 * 1024)


def _questions(certificates: tuple[bytes, ...]) -> tuple[tuple[_Question, ...], ...]:
    """Everything worth asking: for each certificate OCSP, and its CRLs."""
    weight = 2 * sum(map(len, certificates)) + 4096
    return _asked.get(certificates, lambda: tuple(_about_each(certificates)), lambda _: weight)


def _about_each(certificates: Sequence[bytes]) -> Iterator[tuple[_Question, ...]]:
    parsed = []
    for der in certificates:
        try:
            load_certificate(der)
            parsed.append(x509.load_der_x509_certificate(der))
        except (FormatError, ValueError):
            continue
    for certificate in parsed:
        yield tuple(_questions_about(certificate, parsed))


def _questions_about(certificate: x509.Certificate, pool: Sequence[x509.Certificate]) -> Iterator[_Question]:
    urls = [("ocsp", url) for url in _ocsp_addresses(certificate)]
    urls += [("crl", url) for url in _crl_addresses(certificate)]
    if not urls or certificate.subject == certificate.issuer:
        return
    named = (each for each in pool if each.subject == certificate.issuer)
    issuer = next((each for each in islice(named, _MOST_OF_ONE_NAME) if _issued(each, certificate)), None)
    if issuer is None:
        return
    for kind, url in urls:
        if kind == "crl":
            yield kind, url, b""
        else:
            request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1()).build()  # noqa: S303
            yield kind, url, request.public_bytes(Encoding.DER)


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
    """Of complete CRLs, then of delta CRLs (RFC 5280 clause 4.2.1.15)."""
    found = []
    kind: type[x509.CRLDistributionPoints] | type[x509.FreshestCRL]
    for kind in (x509.CRLDistributionPoints, x509.FreshestCRL):
        try:
            points = certificate.extensions.get_extension_for_class(kind).value
        except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
            continue
        found += _http(name for point in points for name in point.full_name or ())
    return found


def _http(names: Iterator[x509.GeneralName]) -> list[str]:
    found = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    return [url for url in found if url.lower().startswith(("http://", "https://"))][:4]


def _due(kind: str, answer: bytes) -> datetime | None:
    """When the answer says that a newer one is due."""
    read: dict[str, Callable[[bytes], datetime | None]] = {
        "crl": lambda data: x509.load_der_x509_crl(data).next_update_utc,
        "ocsp": lambda data: ocsp.load_der_ocsp_response(data).next_update_utc,
    }
    try:
        return read[kind](answer)
    except ValueError:
        return None

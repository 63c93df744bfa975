"""Asks timestamp authorities (RFC 3161 over HTTP, clause 3.4) and believes nothing they say unchecked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, ClassVar

import httpx
from asn1crypto import cms, core, tsp

from zdda.model.clock import Clock, Entropy
from zdda.model.errors import Unavailable
from zdda.signatures.certificates import load_certificate
from zdda.signatures.timestamp_token import TimestampToken, parse_timestamp_token
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathStatus, validate_path
from zdda.trust.revocation import RevocationData

TIME_STAMPING = "1.3.6.1.5.5.7.3.8"
EXTENDED_KEY_USAGE = "2.5.29.37"
_LARGEST = 1024 * 1024


class AuthorityUnavailable(Unavailable):
    """No authority answered in time, or one said to come back later."""

    code = "timestamp-authority-unavailable"


class AuthorityRefused(Unavailable):
    """An authority answered with something that is no good timestamp; the message says what is wrong."""

    code = "timestamp-authority-refused"


class ClockDisagrees(AuthorityRefused):
    """A good token tells another time than this machine's clock; ``apart``: by how much."""

    code = "clock-disagrees"

    def __init__(self, message: str, apart: timedelta) -> None:
        super().__init__(message)
        self.apart = apart


@dataclass(frozen=True, slots=True)
class AuthorityAddress:
    """Where an authority is and what its tokens must say. ``policy`` None: any."""

    url: str
    policy: str | None = None
    username: str | None = None
    password: str | None = None


class TsaClient:
    """One authority. ``tolerance`` bounds the difference between its time and the clock's, ``timeout`` (seconds) the
    whole of an answer. A client certificate, where one is wanted, is ``http``'s. Thread-safe."""

    def __init__(
        self,
        address: AuthorityAddress,
        anchors: TrustAnchors,
        http: httpx.Client,
        clock: Clock,
        entropy: Entropy,
        timeout: float = 10.0,
        tolerance: timedelta = timedelta(minutes=5),
    ) -> None:
        self._address, self._anchors, self._http = address, anchors, http
        self._clock, self._entropy = clock, entropy
        self._timeout, self._tolerance = timeout, tolerance

    def timestamp(self, imprint: bytes) -> bytes:
        """The DER of a checked token over a SHA-256 digest.

        Raises ``AuthorityUnavailable`` (ask again later), ``AuthorityRefused`` (it misbehaves), ``ClockDisagrees``.
        """
        nonce = int.from_bytes(self._entropy(8))
        request = tsp.TimeStampReq(
            {
                "version": "v1",
                "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": imprint},
                "nonce": nonce,
                "cert_req": True,
                **({"req_policy": self._address.policy} if self._address.policy else {}),
            }
        )
        der = _granted_token(self._exchange(request.dump()))
        try:
            token = parse_timestamp_token(der)
            wrong = self._wrong_with(token, imprint, nonce)
        except Exception as error:  # whatever a parser of hostile bytes raises
            raise AuthorityRefused("the authority's token cannot be read") from error
        if wrong:
            raise AuthorityRefused(f"the authority's token {wrong}")
        apart = abs(token.gen_time - self._clock.now())
        if apart > self._tolerance:
            raise ClockDisagrees("the authority's token has a time too far from this machine's", apart)
        return der

    def _exchange(self, body: bytes) -> bytes:
        """The answer, within the timeout as a whole: httpx bounds each read only, and who sends a byte at a time
        would hold us for hours."""
        outcome: SimpleQueue[bytes | Exception] = SimpleQueue()
        given_up = Event()

        def ask() -> None:
            try:
                outcome.put(self._ask(body, given_up))
            except Exception as error:  # noqa: BLE001 - whatever it is, the waiting thread raises it
                outcome.put(error)

        Thread(target=ask, name="timestamp-authority", daemon=True).start()
        try:
            result = outcome.get(timeout=self._timeout)
        except Empty as error:
            given_up.set()
            raise AuthorityUnavailable("the authority does not answer in time") from error
        if isinstance(result, bytes):
            return result
        if isinstance(result, httpx.HTTPError):
            raise AuthorityUnavailable("the authority does not answer") from result
        raise result

    def _ask(self, body: bytes, given_up: Event) -> bytes:
        address = self._address
        headers = {
            "Content-Type": "application/timestamp-query",
            "Accept": "application/timestamp-reply",
            "Accept-Encoding": "identity",
        }
        with self._http.stream(
            "POST",
            address.url,
            content=body,
            headers=headers,
            auth=(address.username, address.password or "") if address.username else None,
            timeout=self._timeout,
            follow_redirects=False,
        ) as response:
            if response.status_code >= 500 or response.status_code == 429:
                raise AuthorityUnavailable(f"the authority answers {response.status_code}")
            if response.status_code != 200:
                raise AuthorityRefused(f"the authority answers {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise AuthorityRefused("the authority's answer is compressed, which was not asked for")
            answer = bytearray()
            for chunk in response.iter_bytes():
                answer += chunk
                if len(answer) > _LARGEST:
                    raise AuthorityRefused("the authority's answer is over 1 MiB")
                if given_up.is_set():
                    break
            return bytes(answer)

    def _wrong_with(self, token: TimestampToken, imprint: bytes, nonce: int) -> str | None:
        """What is wrong with the token (RFC 3161 clause 2.4.2), or None."""
        if token.hash_algorithm != "sha256" or not token.is_over_digest(imprint):
            return "is over something else"
        if token.nonce != nonce:
            return "has another nonce"
        if self._address.policy is not None and token.policy != self._address.policy:
            return "has another policy"
        if token.signer_certificate is None:
            return "carries no certificate of its signer"
        if not token.signature_intact:
            return "has a signature that does not verify"
        if not is_timestamping_certificate(token.signer_certificate):
            return "is signed by a certificate that is not for timestamping alone"
        result = validate_path(
            token.signer_certificate, token.certificates, self._anchors, token.gen_time, RevocationData()
        )
        if result.status not in (PathStatus.VALID, PathStatus.REVOCATION_UNKNOWN):
            return f"is signed by a certificate that is not trusted ({result.status})"
        return None


class TsaClients:
    """Several authorities, asked in order until one answers well."""

    def __init__(self, clients: Sequence[TsaClient]) -> None:
        self._clients = tuple(clients)

    def timestamp(self, imprint: bytes) -> bytes:
        """As ``TsaClient.timestamp``; raises the first authority's error when none answers well."""
        first: AuthorityUnavailable | AuthorityRefused | None = None
        for client in self._clients:
            try:
                return client.timestamp(imprint)
            except (AuthorityUnavailable, AuthorityRefused) as error:
                first = first or error
        raise first or AuthorityUnavailable("no timestamp authority is configured")


def is_timestamping_certificate(certificate: bytes) -> bool:
    """Whether its extended key usage is critical and holds id-kp-timeStamping alone (RFC 3161 clause 2.3)."""
    parsed = load_certificate(certificate)
    return parsed.extended_key_usage == frozenset({TIME_STAMPING}) and EXTENDED_KEY_USAGE in parsed.critical_extensions


class _Response(core.Sequence):  # type: ignore[misc]
    """TimeStampResp (RFC 3161 clause 2.4.2); the token is optional, which asn1crypto's own class forgets."""

    _fields: ClassVar[Any] = [
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]


def _granted_token(answer: bytes) -> bytes:
    try:
        response = _Response.load(answer, strict=True)
        status = response["status"]["status"].native
        if status not in ("granted", "granted_with_mods"):
            failure = response["status"]["fail_info"].native or set()
            if failure & {"time_not_available", "system_failure"}:
                raise AuthorityUnavailable("the authority cannot stamp now")
            raise AuthorityRefused("the authority rejects the request")
        token: bytes = response["time_stamp_token"].dump()
        return token
    except (AuthorityRefused, AuthorityUnavailable):
        raise
    except Exception as error:
        raise AuthorityRefused("the authority's answer is no timestamp response") from error


def time_of(token: bytes) -> datetime:
    """The token's genTime; raises ``FormatError``."""
    return parse_timestamp_token(token).gen_time

"""Timestamp authorities that do what they should not: in process behind ``httpx.MockTransport``, or on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum

import httpx
from asn1crypto import cms, tsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.simulator.pki import NOW, Pki, stranger
from zdda.demonstration.server import LoopbackServer
from zdda.demonstration.timestamps import POLICY, DemonstrationTimestamps
from zdda.model.clock import FixedClock
from zdda.signatures.der import SEQUENCE, encode

URL = "http://tsa.invalid/tsa"


class Fault(StrEnum):
    """What is wrong with an authority."""

    NONE = "none"
    DOWN = "down"
    SLOW = "slow"
    DRIBBLE = "a byte at a time"
    SERVER_ERROR = "server error"
    NOT_FOUND = "not found"
    UNAUTHORIZED = "unauthorized"
    OVERLOADED = "too many requests"
    REDIRECT = "redirect"
    RUBBISH = "rubbish"
    EMPTY = "empty"
    ENDLESS = "endless"
    TRUNCATED = "truncated"
    TRAILING = "bytes after the answer"
    BUSY = "status: time not available"
    REJECTED = "status: rejected"
    GRANTED_WITHOUT_TOKEN = "granted without token"
    NOT_A_TOKEN = "a CMS of another content"
    WRONG_NONCE = "wrong nonce"
    NO_NONCE = "no nonce"
    WRONG_IMPRINT = "wrong imprint"
    WRONG_ALGORITHM = "imprint of the right bytes under another digest algorithm"
    UNTRUSTED = "untrusted certificate"
    NO_CERTIFICATE = "missing certificate"
    OTHER_CERTIFICATE = "certificate swapped for another"
    WRONG_POLICY = "wrong policy"
    EXPIRED = "expired certificate"
    OTHER_USAGE = "certificate for more than timestamping"
    USAGE_NOT_CRITICAL = "extended key usage not critical"
    NO_USAGE = "certificate not for timestamping"
    BROKEN_SIGNATURE = "broken signature"
    FUTURE = "time far ahead"
    PAST = "time far behind"


UNAVAILABLE = (Fault.DOWN, Fault.SLOW, Fault.DRIBBLE, Fault.SERVER_ERROR, Fault.OVERLOADED, Fault.BUSY)
REFUSED = tuple(fault for fault in Fault if fault is not Fault.NONE and fault not in UNAVAILABLE)


class FaultyAuthority:
    """One authority with one fault. ``requests`` counts what it was asked; ``release`` ends all slow answers."""

    def __init__(self, pki: Pki, fault: Fault = Fault.NONE) -> None:
        self._pki, self.fault = pki, fault
        self.requests = 0
        self.release = threading.Event()

    def transport(self) -> httpx.MockTransport:
        """For ``httpx.Client(transport=...)``."""
        return httpx.MockTransport(self._handle)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serves on a loopback port; gives the URL. DOWN: a port that nobody listens on."""
        if self.fault is Fault.DOWN:
            with socket.socket() as closed:
                closed.bind(("127.0.0.1", 0))
                yield f"http://127.0.0.1:{closed.getsockname()[1]}/tsa"
            return
        server = LoopbackServer()
        server.start(Starlette(routes=[Route("/tsa", self._endpoint, methods=["POST"])]))
        try:
            yield f"{server.base_url}/tsa"
        finally:
            self.release.set()
            server.stop()

    async def _endpoint(self, request: Request) -> Response:
        body = await request.body()
        if self.fault is Fault.SLOW:
            await run_in_threadpool(self.release.wait)
        if self.fault is Fault.DRIBBLE:
            return StreamingResponse(self._dribble(), media_type="application/timestamp-reply")
        answer = self._answer(body)
        headers = dict(answer.headers)
        headers.pop("content-length", None)
        return Response(answer.content, answer.status_code, headers)

    def _dribble(self) -> Iterator[bytes]:
        while not self.release.wait(0.02):
            yield b"0"

    def _handle(self, request: httpx.Request) -> httpx.Response:
        if self.fault is Fault.DOWN:
            raise httpx.ConnectError("refused", request=request)
        if self.fault in (Fault.SLOW, Fault.DRIBBLE):
            raise httpx.ReadTimeout("nothing came", request=request)
        return self._answer(request.read())

    def _answer(self, body: bytes) -> httpx.Response:
        self.requests += 1
        statuses = {
            Fault.SERVER_ERROR: 503,
            Fault.NOT_FOUND: 404,
            Fault.UNAUTHORIZED: 401,
            Fault.OVERLOADED: 429,
        }
        if self.fault in statuses:
            return httpx.Response(statuses[self.fault])
        if self.fault is Fault.REDIRECT:
            return httpx.Response(302, headers={"location": "http://elsewhere.invalid/"})
        return httpx.Response(200, headers={"content-type": "application/timestamp-reply"}, content=self.respond(body))

    def respond(self, request: bytes) -> bytes:
        """The body of the answer to a request."""
        plain: dict[Fault, Callable[[], bytes]] = {
            Fault.RUBBISH: lambda: b"<html>" + bytes(range(256)),
            Fault.EMPTY: lambda: b"",
            Fault.ENDLESS: lambda: bytes(2 * 1024 * 1024),
            Fault.BUSY: lambda: _status("rejection", "time_not_available"),
            Fault.REJECTED: lambda: _status("rejection", "bad_request"),
            Fault.GRANTED_WITHOUT_TOKEN: lambda: _status("granted"),
        }
        if self.fault in plain:
            return plain[self.fault]()
        parsed = tsp.TimeStampReq.load(request)
        answer = tsp.TimeStampResp(
            {"status": {"status": "granted"}, "time_stamp_token": cms.ContentInfo.load(self._token(parsed))}
        ).dump()
        return bytes({Fault.TRUNCATED: answer[:-10], Fault.TRAILING: answer + b"\x00"}.get(self.fault, answer))

    def _token(self, request: tsp.TimeStampReq) -> bytes:
        digest, nonce = request["message_imprint"]["hashed_message"].native, request["nonce"].native
        algorithm, certificates = "sha256", self.fault is not Fault.NO_CERTIFICATE
        if self.fault is Fault.WRONG_NONCE:
            nonce += 1
        if self.fault is Fault.NO_NONCE:
            nonce = None
        if self.fault is Fault.WRONG_IMPRINT:
            digest = bytes(len(digest))
        if self.fault is Fault.WRONG_ALGORITHM:
            algorithm = "sha3_256"
        token = self._timestamps().token(digest, algorithm, nonce, certificates)
        if self.fault is Fault.BROKEN_SIGNATURE:
            return token[:-1] + bytes([token[-1] ^ 1])
        if self.fault is Fault.NOT_A_TOKEN:
            return cms.ContentInfo({"content_type": "data", "content": b"no token"}).dump()
        if self.fault is Fault.OTHER_CERTIFICATE:
            return _with_certificate(token, self._pki.authority.issue_timestamping().der)
        return token

    def _timestamps(self) -> DemonstrationTimestamps:
        pki, authority = self._pki, self._pki.authority
        clock, credential, policy = pki.clock, authority.timestamping, POLICY
        if self.fault is Fault.UNTRUSTED:
            credential = stranger().authority.timestamping
        if self.fault is Fault.EXPIRED:
            credential = authority.issue_timestamping(valid_for=timedelta(minutes=-30))
        if self.fault is Fault.OTHER_USAGE:
            usages = (ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.EMAIL_PROTECTION)
            credential = authority.issue_timestamping(usages=usages)
        if self.fault is Fault.USAGE_NOT_CRITICAL:
            credential = authority.issue_timestamping(critical=False)
        if self.fault is Fault.NO_USAGE:
            credential = authority.issue_seal()
        if self.fault is Fault.WRONG_POLICY:
            policy = "1.2.3.4"
        if self.fault in (Fault.FUTURE, Fault.PAST):
            clock = FixedClock(pki.clock.now() + timedelta(minutes=6 if self.fault is Fault.FUTURE else -6))
        return DemonstrationTimestamps(credential, clock, pki.entropy, policy)


def _status(status: str, failure: str | None = None) -> bytes:
    value: dict[str, object] = {"status": status}
    if failure:
        value["fail_info"] = {failure}
    return encode(SEQUENCE, tsp.PKIStatusInfo(value).dump())


def _with_certificate(token: bytes, certificate: bytes) -> bytes:
    content = cms.ContentInfo.load(token)
    signed = content["content"]
    signed["certificates"] = [cms.CertificateChoices.load(certificate)]
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())


__all__ = ["NOW", "REFUSED", "UNAVAILABLE", "URL", "Fault", "FaultyAuthority"]

"""A timestamp authority behind an httpx transport, well-behaved or with one fault."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx
from asn1crypto import tsp

from zdda.demonstration.authority import Credential, DemonstrationAuthority
from zdda.demonstration.timestamps import DemonstrationTimestamps
from zdda.model.clock import Clock, FixedClock, system_entropy
from zdda.signatures.der import SEQUENCE, encode

Answer = Callable[[tsp.TimeStampReq], httpx.Response]


class AuthorityWithFaults:
    """``fault`` names what the authority does wrong; None: nothing."""

    def __init__(self, authority: DemonstrationAuthority, clock: Clock) -> None:
        self._authority, self._clock = authority, clock
        self.fault: str | None = None
        self.calls = 0

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self._handle))

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        asked = tsp.TimeStampReq.load(request.content)
        return _FAULTS[self.fault](self, asked)

    def stamps(self, credential: Credential | None = None, clock: Clock | None = None) -> DemonstrationTimestamps:
        return DemonstrationTimestamps(credential or self._authority.timestamping, clock or self._clock, system_entropy)

    def now_moved(self, by: timedelta) -> FixedClock:
        return FixedClock(self._clock.now() + by)

    def seal(self) -> Credential:
        return self._authority.issue_seal()

    def stranger(self) -> Credential:
        return DemonstrationAuthority(self._clock, system_entropy, "http://127.0.0.1:1").timestamping


def _well(world: AuthorityWithFaults, asked: tsp.TimeStampReq) -> httpx.Response:
    return httpx.Response(200, content=world.stamps().respond(asked.dump()))


def _refused(_world: AuthorityWithFaults, _asked: tsp.TimeStampReq) -> httpx.Response:
    raise httpx.ConnectError("refused")


def _slow(_world: AuthorityWithFaults, _asked: tsp.TimeStampReq) -> httpx.Response:
    raise httpx.ReadTimeout("slow")


def _status(code: int) -> Callable[[AuthorityWithFaults, tsp.TimeStampReq], httpx.Response]:
    return lambda _world, _asked: httpx.Response(code)


def _rubbish(_world: AuthorityWithFaults, _asked: tsp.TimeStampReq) -> httpx.Response:
    return httpx.Response(200, content=b"\x30\x82not a response")


def _endless(_world: AuthorityWithFaults, _asked: tsp.TimeStampReq) -> httpx.Response:
    return httpx.Response(200, content=b"\0" * (2 * 1024 * 1024))


def _rejected(_world: AuthorityWithFaults, _asked: tsp.TimeStampReq) -> httpx.Response:
    status = tsp.PKIStatusInfo({"status": "rejection", "fail_info": {"bad_alg"}})
    return httpx.Response(200, content=encode(SEQUENCE, status.dump()))


def _busy(_world: AuthorityWithFaults, _asked: tsp.TimeStampReq) -> httpx.Response:
    status = tsp.PKIStatusInfo({"status": "rejection", "fail_info": {"time_not_available"}})
    return httpx.Response(200, content=encode(SEQUENCE, status.dump()))


def _nonce(world: AuthorityWithFaults, asked: tsp.TimeStampReq) -> httpx.Response:
    asked["nonce"] = (asked["nonce"].native + 1) % 2**63
    return _well(world, asked)


def _imprint(world: AuthorityWithFaults, asked: tsp.TimeStampReq) -> httpx.Response:
    asked["message_imprint"]["hashed_message"] = bytes(32)
    return _well(world, asked)


def _untrusted(world: AuthorityWithFaults, asked: tsp.TimeStampReq) -> httpx.Response:
    return httpx.Response(200, content=world.stamps(world.stranger()).respond(asked.dump()))


def _no_certificate(world: AuthorityWithFaults, asked: tsp.TimeStampReq) -> httpx.Response:
    asked["cert_req"] = False
    return _well(world, asked)


def _wrong_usage(world: AuthorityWithFaults, asked: tsp.TimeStampReq) -> httpx.Response:
    return httpx.Response(200, content=world.stamps(world.seal()).respond(asked.dump()))


def _far_off(by: timedelta) -> Callable[[AuthorityWithFaults, tsp.TimeStampReq], httpx.Response]:
    def answer(world: AuthorityWithFaults, asked: tsp.TimeStampReq) -> httpx.Response:
        return httpx.Response(200, content=world.stamps(clock=world.now_moved(by)).respond(asked.dump()))

    return answer


def _forged(world: AuthorityWithFaults, asked: tsp.TimeStampReq) -> httpx.Response:
    content = bytearray(world.stamps().respond(asked.dump()))
    content[-1] ^= 1  # the last byte is the signature's
    return httpx.Response(200, content=bytes(content))


_FAULTS: dict[str | None, Callable[[AuthorityWithFaults, tsp.TimeStampReq], httpx.Response]] = {
    None: _well,
    "refused": _refused,
    "slow": _slow,
    "500": _status(500),
    "429": _status(429),
    "401": _status(401),
    "rubbish": _rubbish,
    "endless": _endless,
    "rejected": _rejected,
    "busy": _busy,
    "nonce": _nonce,
    "imprint": _imprint,
    "untrusted": _untrusted,
    "no-certificate": _no_certificate,
    "wrong-usage": _wrong_usage,
    "early": _far_off(timedelta(hours=-1)),
    "late": _far_off(timedelta(hours=1)),
    "forged": _forged,
}
UNAVAILABLE = ("refused", "slow", "500", "429", "busy")
REFUSED = tuple(fault for fault in _FAULTS if fault is not None and fault not in UNAVAILABLE)

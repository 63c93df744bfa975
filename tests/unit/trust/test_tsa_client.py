from __future__ import annotations

import base64
import hashlib

import httpx
import pytest
from asn1crypto import tsp

from tests.simulator.pki import pki, stranger
from tests.simulator.tsa import REFUSED, UNAVAILABLE, URL, Fault, FaultyAuthority
from zdda.demonstration.timestamps import POLICY
from zdda.signatures.timestamp_token import parse_timestamp_token
from zdda.trust.anchors import TrustAnchors
from zdda.trust.tsa_client import (
    AuthorityAddress,
    AuthorityRefused,
    AuthorityUnavailable,
    TsaClient,
    TsaClients,
    is_timestamping_certificate,
)

PKI = pki()
IMPRINT = hashlib.sha256(b"root of a tree").digest()


def client_of(
    authority: FaultyAuthority,
    policy: str | None = POLICY,
    anchors: TrustAnchors = PKI.anchors,
    url: str | None = None,
    timeout: float = 10.0,
) -> TsaClient:
    http = httpx.Client(transport=None if url else authority.transport(), trust_env=False)
    return TsaClient(AuthorityAddress(url or URL, policy), anchors, http, PKI.clock, PKI.entropy, timeout)


@pytest.mark.parametrize("policy", [None, POLICY])
def test_a_good_token_is_returned_as_it_came(policy: str | None) -> None:
    token = parse_timestamp_token(client_of(FaultyAuthority(PKI), policy).timestamp(IMPRINT))
    assert token.imprint == IMPRINT
    assert token.gen_time == PKI.clock.now()


@pytest.mark.parametrize("fault", UNAVAILABLE)
def test_an_authority_that_is_away_is_asked_again_later(fault: Fault) -> None:
    with pytest.raises(AuthorityUnavailable):
        client_of(FaultyAuthority(PKI, fault)).timestamp(IMPRINT)


@pytest.mark.parametrize("fault", REFUSED)
def test_a_misbehaving_authority_is_refused(fault: Fault) -> None:
    with pytest.raises(AuthorityRefused):
        client_of(FaultyAuthority(PKI, fault)).timestamp(IMPRINT)


def test_each_refusal_says_what_is_wrong() -> None:
    said = {}
    for fault in (Fault.WRONG_NONCE, Fault.WRONG_IMPRINT, Fault.WRONG_POLICY, Fault.UNTRUSTED, Fault.EXPIRED):
        with pytest.raises(AuthorityRefused) as caught:
            client_of(FaultyAuthority(PKI, fault)).timestamp(IMPRINT)
        said[fault] = str(caught.value)
    assert "nonce" in said[Fault.WRONG_NONCE]
    assert "something else" in said[Fault.WRONG_IMPRINT]
    assert "policy" in said[Fault.WRONG_POLICY]
    assert "no-path" in said[Fault.UNTRUSTED]
    assert "expired" in said[Fault.EXPIRED]


def test_an_authority_without_configured_anchors_is_refused() -> None:
    for anchors in (TrustAnchors(()), stranger().anchors):
        with pytest.raises(AuthorityRefused, match="not trusted"):
            client_of(FaultyAuthority(PKI), anchors=anchors).timestamp(IMPRINT)


def test_every_request_has_a_fresh_nonce_and_asks_for_the_certificate() -> None:
    asked = []

    def note(request: httpx.Request) -> httpx.Response:
        asked.append((tsp.TimeStampReq.load(request.content).native, dict(request.headers)))
        return httpx.Response(503)

    address = AuthorityAddress(URL, POLICY, "archive", "secret")
    client = TsaClient(address, PKI.anchors, httpx.Client(transport=httpx.MockTransport(note)), PKI.clock, PKI.entropy)
    for _ in range(2):
        with pytest.raises(AuthorityUnavailable):
            client.timestamp(IMPRINT)
    (first, headers), (second, _) = asked
    assert first["nonce"] != second["nonce"]
    assert first["cert_req"] is True
    assert first["message_imprint"]["hashed_message"] == IMPRINT
    assert headers["content-type"] == "application/timestamp-query"
    assert headers["authorization"] == "Basic " + base64.b64encode(b"archive:secret").decode()


@pytest.mark.parametrize("fault", [*UNAVAILABLE, *REFUSED])
def test_the_next_authority_takes_over(fault: Fault) -> None:
    good = FaultyAuthority(PKI)
    clients = TsaClients([client_of(FaultyAuthority(PKI, fault)), client_of(good)])
    assert parse_timestamp_token(clients.timestamp(IMPRINT)).imprint == IMPRINT
    assert good.requests == 1


def test_if_none_answers_well_the_first_error_is_told() -> None:
    faults = (Fault.WRONG_NONCE, Fault.DOWN)
    clients = TsaClients([client_of(FaultyAuthority(PKI, fault)) for fault in faults])
    with pytest.raises(AuthorityRefused, match="nonce"):
        clients.timestamp(IMPRINT)


def test_without_an_authority_the_error_says_so() -> None:
    with pytest.raises(AuthorityUnavailable, match="configured"):
        TsaClients([]).timestamp(IMPRINT)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.NONE, None),
        (Fault.DOWN, AuthorityUnavailable),
        (Fault.SLOW, AuthorityUnavailable),
        (Fault.DRIBBLE, AuthorityUnavailable),
        (Fault.RUBBISH, AuthorityRefused),
        (Fault.ENDLESS, AuthorityRefused),
    ],
)
def test_over_a_real_connection(fault: Fault, expected: type[Exception] | None) -> None:
    authority = FaultyAuthority(PKI, fault)
    with authority.serving() as url:
        patience = 0.3 if fault in (Fault.SLOW, Fault.DRIBBLE) else 10.0
        client = client_of(authority, url=url, timeout=patience)
        if expected is None:
            assert parse_timestamp_token(client.timestamp(IMPRINT)).imprint == IMPRINT
        else:
            with pytest.raises(expected):
                client.timestamp(IMPRINT)


def test_only_a_certificate_for_timestamping_alone_will_do() -> None:
    authority = PKI.authority
    assert is_timestamping_certificate(authority.timestamping.der)
    assert not is_timestamping_certificate(authority.issue_seal().der)
    assert not is_timestamping_certificate(authority.issue_timestamping(critical=False).der)

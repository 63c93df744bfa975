from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from tests.simulator.authorities import REFUSED, UNAVAILABLE, AuthorityWithFaults
from zdda.demonstration.authority import DemonstrationAuthority
from zdda.demonstration.timestamps import POLICY
from zdda.model.clock import FixedClock, system_entropy
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

CLOCK = FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
IMPRINT = hashlib.sha256(b"root of a tree").digest()


@pytest.fixture(scope="module")
def authority() -> DemonstrationAuthority:
    return DemonstrationAuthority(CLOCK, system_entropy, "http://127.0.0.1:1")


@pytest.fixture
def world(authority: DemonstrationAuthority) -> AuthorityWithFaults:
    return AuthorityWithFaults(authority, CLOCK)


def client_of(world: AuthorityWithFaults, authority: DemonstrationAuthority, policy: str | None = None) -> TsaClient:
    anchors = TrustAnchors((authority.root_certificate(),))
    address = AuthorityAddress("https://tsa.example/", policy)
    return TsaClient(address, anchors, world.client(), CLOCK, system_entropy)


def test_a_good_token_is_returned_as_it_came(world: AuthorityWithFaults, authority: DemonstrationAuthority) -> None:
    token = parse_timestamp_token(client_of(world, authority, POLICY).timestamp(IMPRINT))
    assert token.imprint == IMPRINT
    assert token.gen_time == CLOCK.now()


@pytest.mark.parametrize("fault", UNAVAILABLE)
def test_an_authority_that_is_away_is_asked_again_later(
    fault: str, world: AuthorityWithFaults, authority: DemonstrationAuthority
) -> None:
    world.fault = fault
    with pytest.raises(AuthorityUnavailable):
        client_of(world, authority).timestamp(IMPRINT)


@pytest.mark.parametrize("fault", REFUSED)
def test_a_misbehaving_authority_is_refused(
    fault: str, world: AuthorityWithFaults, authority: DemonstrationAuthority
) -> None:
    world.fault = fault
    with pytest.raises(AuthorityRefused):
        client_of(world, authority).timestamp(IMPRINT)


def test_a_token_of_another_policy_is_refused(world: AuthorityWithFaults, authority: DemonstrationAuthority) -> None:
    with pytest.raises(AuthorityRefused, match="policy"):
        client_of(world, authority, "1.2.3").timestamp(IMPRINT)


@pytest.mark.parametrize("fault", [*UNAVAILABLE, *REFUSED])
def test_the_next_authority_takes_over(
    fault: str, world: AuthorityWithFaults, authority: DemonstrationAuthority
) -> None:
    world.fault = fault
    good = AuthorityWithFaults(authority, CLOCK)
    clients = TsaClients([client_of(world, authority), client_of(good, authority)])
    assert parse_timestamp_token(clients.timestamp(IMPRINT)).imprint == IMPRINT
    assert good.calls == 1


def test_without_an_authority_the_error_says_so() -> None:
    with pytest.raises(AuthorityUnavailable, match="configured"):
        TsaClients([]).timestamp(IMPRINT)


def test_only_a_certificate_for_timestamping_alone_will_do(authority: DemonstrationAuthority) -> None:
    assert is_timestamping_certificate(authority.timestamping.der)
    assert not is_timestamping_certificate(authority.issue_seal().der)

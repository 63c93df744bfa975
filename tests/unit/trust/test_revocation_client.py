from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from zdda.demonstration.authority import Credential, DemonstrationAuthority
from zdda.model.clock import FixedClock, system_entropy
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathStatus, validate_path
from zdda.trust.revocation_client import RevocationClient

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOST = "pki.example"


class World:
    """An authority whose answers are counted."""

    def __init__(self) -> None:
        self.clock = FixedClock(NOW)
        self.authority = DemonstrationAuthority(self.clock, system_entropy, f"http://{HOST}")
        self.asked: list[str] = []
        self.answer: Callable[[httpx.Request], httpx.Response] = self.well

    def well(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/ocsp":
            return httpx.Response(200, content=self.authority.ocsp_response(request.content))
        return httpx.Response(200, content=self.authority.crl(request.url.path.split("/")[-1].removesuffix(".crl")))

    def client(self, hosts: tuple[str, ...] = (HOST,), private: tuple[str, ...] = (HOST,)) -> RevocationClient:
        def handle(request: httpx.Request) -> httpx.Response:
            self.asked.append(str(request.url))
            return self.answer(request)

        return RevocationClient(httpx.Client(transport=httpx.MockTransport(handle)), hosts, private, self.clock)

    def chain(self, credential: Credential) -> tuple[bytes, ...]:
        return (credential.der, *(each.public_bytes(Encoding.DER) for each in credential.chain))


@pytest.fixture
def world() -> World:
    return World()


def test_what_is_fetched_makes_a_path_valid(world: World) -> None:
    chain = world.chain(world.authority.issue_signer("Jana"))
    data = world.client().fetch(chain)
    assert len(data.ocsps) == 1
    assert len(data.crls) == 2
    anchors = TrustAnchors((world.authority.root_certificate(),))
    assert validate_path(chain[0], chain, anchors, NOW, data).status is PathStatus.VALID


def test_nobody_is_asked_whom_the_settings_do_not_name(world: World) -> None:
    chain = world.chain(world.authority.issue_signer("Jana"))
    for hosts in ((), ("other.example",)):
        data = world.client(hosts, hosts).fetch(chain)
        assert (data.crls, data.ocsps, world.asked) == ((), (), [])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "10.0.0.1", "169.254.169.254"])
def test_private_addresses_are_asked_only_when_named_as_such(host: str) -> None:
    world = World()
    world.authority = DemonstrationAuthority(world.clock, system_entropy, f"http://{host}")
    chain = world.chain(world.authority.issue_signer("Jana"))
    assert world.client((host,), ()).fetch(chain).crls == ()
    assert world.asked == []
    assert world.client((host,), (host,)).fetch(chain).crls != ()


def test_an_answer_is_kept_for_an_hour_at_most(world: World) -> None:
    client, chain = world.client(), world.chain(world.authority.issue_signer("Jana"))
    client.fetch(chain)
    first = len(world.asked)
    client.fetch(chain)
    assert len(world.asked) == first
    world.clock.move_to(NOW + timedelta(minutes=61))
    client.fetch(chain)
    assert len(world.asked) == 2 * first


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(302, headers={"Location": "http://127.0.0.1/"}),
        httpx.Response(200, content=b"rubbish"),
    ],
    ids=["error", "redirect", "rubbish"],
)
def test_a_failing_host_makes_nothing_valid(answer: httpx.Response, world: World) -> None:
    world.answer = lambda _request: httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
    chain = world.chain(world.authority.issue_signer("Jana"))
    data = world.client().fetch(chain)
    anchors = TrustAnchors((world.authority.root_certificate(),))
    assert validate_path(chain[0], chain, anchors, NOW, data).status is PathStatus.REVOCATION_UNKNOWN


def test_an_unreachable_host_is_asked_again_only_later(world: World) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    world.answer = refuse
    client, chain = world.client(), world.chain(world.authority.issue_signer("Jana"))
    client.fetch(chain)
    first = len(world.asked)
    client.fetch(chain)
    assert len(world.asked) == first
    world.clock.move_to(NOW + timedelta(seconds=31))
    client.fetch(chain)
    assert len(world.asked) == 2 * first


def test_of_many_who_want_one_answer_one_asks(world: World) -> None:
    client, chain = world.client(), world.chain(world.authority.issue_signer("Jana"))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: client.fetch(chain), range(16)))
    assert len(set(world.asked)) == len(world.asked)
    assert len({(each.crls, each.ocsps) for each in found}) == 1


def test_certificates_that_cannot_be_read_are_passed_over(world: World) -> None:
    data = world.client().fetch([b"rubbish", b""])
    assert (data.crls, data.ocsps) == ((), ())


@pytest.mark.parametrize("url", ["http://ocsp.ca.cz:port/", "http://[::1", "http://", "http://" + "a" * 70_000])
def test_an_odd_address_in_a_certificate_is_nobody_to_ask(url: str, world: World) -> None:
    client = world.client((HOST, "ocsp.ca.cz", ""))
    assert client._fetcher.ask(url, b"") is None
    assert world.asked == []


def test_a_document_that_brings_many_certificates_costs_no_more_than_a_path(world: World) -> None:
    chain = world.chain(world.authority.issue_signer("Jana"))
    many = (*chain, *(world.authority.issue_signer(str(number)).der for number in range(60)))
    world.client().fetch(many)
    assert len(world.asked) <= 20 + 2


def test_what_a_bound_leaves_out_is_counted(world: World) -> None:
    """The issuer is found wherever it stands, and only those who may be asked count."""
    jana = world.authority.issue_signer("Jana")
    issuers = world.chain(jana)[1:]
    many = tuple(world.authority.issue_signer(str(number)).der for number in range(30))
    found = world.client().ask((jana.der, *many, *issuers))
    assert len(found.revocation.ocsps) == 20
    # The OCSP questions of the last eleven signers, and the CRL of the root for the issuing CA.
    assert found.unasked == 12
    assert world.client().ask((jana.der, *issuers)).unasked == 0
    assert world.client(("other.example",)).ask((jana.der, *many, *issuers)).unasked == 0


def test_issuers_beyond_the_bound_are_counted(world: World) -> None:
    chain = world.chain(world.authority.issue_signer("Jana"))
    assert world.client().ask((*chain, *(bytes([n % 250]) for n in range(200)))).unasked == len(chain)

"""RFC 5280 clause 6.1 through the path validation: names, policies, path length, basic constraints, key usage,
critical extensions. Each case is a chain made for it; NIST's PKITS is the model of the cases."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from tests.unit.validation.laboratory import CA_END, NOW, START, Member, certificate, key
from zdda.signatures.certificates import Certificate, load_certificate
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.trust import path_constraints
from zdda.trust.anchors import TrustAnchors
from zdda.trust.path_constraints import _likeness, constraint_failure
from zdda.trust.paths import PathStatus, RequiredRevocation, validate_path
from zdda.trust.revocation import RevocationData

Extensions = Sequence[tuple[x509.ExtensionType, bool]]
ONE, TWO, ANY = (x509.ObjectIdentifier(oid) for oid in ("1.2.3.1", "1.2.3.2", "2.5.29.32.0"))
VALID, REFUSED = PathStatus.VALID, PathStatus.CONSTRAINTS


def status(*chain: Member) -> PathStatus:
    """Of the last one; the first is the anchor."""
    result = validate_path(
        chain[-1].der,
        [member.der for member in chain[1:-1]],
        TrustAnchors((chain[0].der,)),
        NOW,
        RevocationData(),
        RequiredRevocation.NONE,
    )
    assert (result.constraint_failure is not None) == (result.status is REFUSED)
    return result.status


def named(
    name: str | x509.Name,
    issuer: Member | None,
    who: str,
    extra: Extensions = (),
    ca: bool = False,
    constraints: bool = True,
    length: int | None = None,
    usage: str | None = None,
) -> Member:
    """A certificate whose subject is a whole name, and whose key is ``who``'s."""
    subject = name if isinstance(name, x509.Name) else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key(who).public_key())
        .serial_number(int.from_bytes(hashlib.sha256(f"{who}{subject}{ca}".encode()).digest()[:8]) >> 1 | 1)
        .not_valid_before(START)
        .not_valid_after(CA_END)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key(who).public_key()), critical=False)
    )
    if constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca, length if ca else None), critical=True)
    signs = (usage or ("certificates" if ca else "data")) == "certificates"
    builder = builder.add_extension(
        x509.KeyUsage(not signs, not signs, False, False, False, signs, signs, False, False), critical=True
    )
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    return Member(who, builder.sign(key(issuer.name if issuer else who), hashes.SHA256()))


ROOT = certificate("constraints root", None, ca=True, end=CA_END)


# --- names (clause 4.2.1.10, 6.1.3 b and c)


def directory(*values: str) -> x509.Name:
    kinds = (NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in zip(kinds, values, strict=False)])


PERMITTED = [x509.DirectoryName(directory("CZ", "Hospital"))]
MAIL = [x509.RFC822Name("hospital.example")]


def under(permitted: list[x509.GeneralName] | None = None, excluded: list[x509.GeneralName] | None = None) -> Member:
    return named("names ca", ROOT, "names ca", [(x509.NameConstraints(permitted, excluded), True)], ca=True)


def other_names(*names: x509.GeneralName) -> Extensions:
    return [(x509.SubjectAlternativeName(names), False)]


@pytest.mark.parametrize(
    ("constraint", "subject", "alternative", "expected"),
    [
        (under(PERMITTED), directory("CZ", "Hospital", "Jana"), (), VALID),
        (under(PERMITTED), directory("CZ", "Bank", "Jana"), (), REFUSED),
        (under(PERMITTED), directory("CZ"), (), REFUSED),
        (under(excluded=PERMITTED), directory("CZ", "Hospital", "Jana"), (), REFUSED),
        (under(excluded=PERMITTED), directory("CZ", "Bank", "Jana"), (), VALID),
        (
            under(PERMITTED, [x509.DirectoryName(directory("CZ", "Hospital", "Jana"))]),
            directory("CZ", "Hospital", "Jana"),
            (),
            REFUSED,
        ),
        (under(MAIL), directory("CZ"), (x509.RFC822Name("jana@hospital.example"),), VALID),
        (under(MAIL), directory("CZ"), (x509.RFC822Name("jana@bank.example"),), REFUSED),
        (
            under(MAIL),
            directory("CZ"),
            (x509.RFC822Name("jana@hospital.example"), x509.RFC822Name("jana@bank.example")),
            REFUSED,
        ),
        (under(MAIL), directory("CZ"), (x509.DNSName("bank.example"),), VALID),
        (under([x509.DNSName("hospital.example")]), directory("CZ"), (x509.DNSName("www.hospital.example"),), VALID),
        (under([x509.DNSName("hospital.example")]), directory("CZ"), (x509.DNSName("nothospital.example"),), REFUSED),
        (
            under(excluded=[x509.DNSName("hospital.example")]),
            directory("CZ"),
            (x509.DNSName("www.hospital.example"),),
            REFUSED,
        ),
        (
            under([x509.UniformResourceIdentifier(".hospital.example")]),
            directory("CZ"),
            (x509.UniformResourceIdentifier("http://a.hospital.example/x"),),
            VALID,
        ),
        (
            under([x509.UniformResourceIdentifier(".hospital.example")]),
            directory("CZ"),
            (x509.UniformResourceIdentifier("http://bank.example/x"),),
            REFUSED,
        ),
    ],
)
def test_names(
    constraint: Member, subject: x509.Name, alternative: tuple[x509.GeneralName, ...], expected: PathStatus
) -> None:
    leaf = named(subject, constraint, "names leaf", other_names(*alternative) if alternative else ())
    assert status(ROOT, constraint, leaf) is expected


def test_constraints_of_every_ca_above_add_up() -> None:
    upper = under(PERMITTED)
    wider = [(x509.NameConstraints([x509.DirectoryName(directory("CZ"))], None), True)]
    lower = named(directory("CZ", "Hospital", "Ward"), upper, "names lower", wider, ca=True)
    assert status(ROOT, upper, lower, named(directory("CZ", "Hospital", "Jana"), lower, "names leaf")) is VALID
    assert status(ROOT, upper, lower, named(directory("CZ", "Bank", "Jana"), lower, "names leaf")) is REFUSED


def test_a_constraint_on_names_that_are_not_understood_refuses() -> None:
    """Clause 4.2.1.10: of a kind of name that is constrained and not processed, the certificate is refused."""
    upper = under([x509.IPAddress(ip_network("10.0.0.0/8"))])
    leaf = named("leaf", upper, "names leaf", other_names(x509.IPAddress(ip_address("192.168.0.1"))))
    assert status(ROOT, upper, leaf) is REFUSED


# --- path length (4.2.1.9, 6.1.4 l and m) and basic constraints


def test_a_path_no_longer_than_allowed() -> None:
    none_below = named("length 0", ROOT, "length 0", ca=True, length=0)
    below = named("length below", none_below, "length below", ca=True)
    assert status(ROOT, none_below, named("leaf", none_below, "length leaf")) is VALID
    assert status(ROOT, none_below, below, named("leaf", below, "length leaf")) is REFUSED
    one_below = named("length 1", ROOT, "length 1", ca=True, length=1)
    last = named("length last", one_below, "length last", ca=True)
    again = named("length again", last, "length again", ca=True)
    assert status(ROOT, one_below, last, named("leaf", last, "length leaf")) is VALID
    assert status(ROOT, one_below, last, again, named("leaf", again, "length leaf")) is REFUSED


def test_a_self_issued_certificate_does_not_count() -> None:
    none_below = named("length self", ROOT, "length self", ca=True, length=0)
    rolled = named("length self", none_below, "length rolled", ca=True, length=0)
    assert rolled.certificate.subject == rolled.certificate.issuer
    assert status(ROOT, none_below, rolled, named("leaf", rolled, "length leaf")) is VALID


@pytest.mark.parametrize(
    "middle",
    [
        named("no ca", ROOT, "no ca"),
        named("no constraints", ROOT, "no constraints", ca=True, constraints=False),
        named("no signing", ROOT, "no signing", ca=True, usage="data"),
    ],
    ids=["end entity", "without basic constraints", "without keyCertSign"],
)
def test_who_is_no_ca_issues_nothing(middle: Member) -> None:
    assert status(ROOT, middle, named("leaf", middle, "no ca leaf")) is REFUSED


# --- policies (4.2.1.4, 4.2.1.5, 4.2.1.11, 4.2.1.14)


def policies(*oids: x509.ObjectIdentifier) -> tuple[x509.ExtensionType, bool]:
    return x509.CertificatePolicies([x509.PolicyInformation(oid, None) for oid in oids]), False


EXPLICIT = (x509.PolicyConstraints(0, None), True)


@pytest.mark.parametrize(
    ("of_ca", "of_leaf", "expected"),
    [
        ([policies(ONE)], [], VALID),
        ([policies(ONE), EXPLICIT], [policies(ONE)], VALID),
        ([policies(ONE), EXPLICIT], [policies(TWO)], REFUSED),
        ([policies(ONE), EXPLICIT], [], REFUSED),
        ([policies(ANY), EXPLICIT], [policies(TWO)], VALID),
        ([policies(ONE), EXPLICIT], [policies(ANY)], VALID),
        ([policies(ONE), EXPLICIT, (x509.InhibitAnyPolicy(0), True)], [policies(ANY)], REFUSED),
        ([policies(ONE), (x509.PolicyConstraints(5, None), True)], [], VALID),
    ],
)
def test_policies(of_ca: Extensions, of_leaf: Extensions, expected: PathStatus) -> None:
    middle = named("policy ca", ROOT, "policy ca", of_ca, ca=True)
    assert status(ROOT, middle, named("leaf", middle, "policy leaf", of_leaf)) is expected


# --- critical extensions (4.2, 6.1.4 o, 6.1.5 f)


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize("where", ["ca", "leaf"])
def test_an_unknown_extension_matters_where_it_is_critical(where: str, critical: bool) -> None:
    odd: Extensions = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), critical)]
    middle = named("critical ca", ROOT, "critical ca", odd if where == "ca" else (), ca=True)
    leaf = named("leaf", middle, "critical leaf", odd if where == "leaf" else ())
    assert status(ROOT, middle, leaf) is (REFUSED if critical else VALID)


# --- the signature and the names of the chain (6.1.3 a)


def test_a_look_alike_of_an_issuer_issues_nothing() -> None:
    middle = named("chain ca", ROOT, "chain ca", ca=True)
    look_alike = named("chain ca", ROOT, "chain other", ca=True)
    leaf = named("leaf", middle, "chain leaf")
    assert status(ROOT, middle, leaf) is VALID
    assert status(ROOT, look_alike, leaf) is PathStatus.NO_PATH


# --- what is remembered


def loaded(*chain: Member) -> tuple[Certificate, ...]:
    return tuple(load_certificate(member.der) for member in chain)


def test_a_good_verdict_serves_the_next_signer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    middle = named("kept ca", ROOT, "kept ca", ca=True)
    one, two = (named(name, middle, name, [policies(ONE)]) for name in ("kept one", "kept two"))
    odd = named("kept odd", middle, "kept odd", [policies(ONE), EXPLICIT])
    assert constraint_failure(loaded(one, middle, ROOT)) is None
    judged: list[object] = []
    monkeypatch.setattr(path_constraints, "_engine", lambda chain: judged.append(chain))
    assert constraint_failure(loaded(two, middle, ROOT)) is None
    assert judged == []
    constraint_failure(loaded(odd, middle, ROOT))
    assert len(judged) == 1


def test_a_bad_verdict_serves_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    middle = named("spoilt ca", ROOT, "spoilt ca", ca=True)
    one, two = (named(name, middle, name) for name in ("spoilt one", "spoilt two"))
    with monkeypatch.context() as patched:
        patched.setattr(path_constraints, "_engine", lambda _: "this one is odd")
        assert constraint_failure(loaded(one, middle, ROOT)) is not None
    assert constraint_failure(loaded(two, middle, ROOT)) is None
    assert constraint_failure(loaded(one, middle, ROOT)) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"extensions": frozenset({"1.2.3.4"})},
        {"critical_extensions": frozenset({"1.2.3.4"})},
        {"is_ca": True},
        {"path_length": 3},
        {"key_usage": frozenset({"crl_sign"})},
        {"issuer": b"another name"},
        {"signature": SignatureAlgorithm("rsa", "md5")},
        {"authority_key_identifier": b"another"},
        {"public_key": "of another kind"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_clause_6_1_looks_at_makes_a_difference(change: dict[str, Any]) -> None:
    middle = named("alike ca", ROOT, "alike ca", ca=True)
    leaf, *above = loaded(named("alike leaf", middle, "alike leaf"), middle, ROOT)
    assert _likeness((leaf, *above)) == _likeness((leaf, *above)) is not None
    assert _likeness((replace(leaf, **change), *above)) != _likeness((leaf, *above))
    assert _likeness((leaf, above[1])) != _likeness((leaf, *above))


def test_where_names_or_policies_count_each_certificate_is_judged() -> None:
    for extra in (
        (x509.NameConstraints(PERMITTED, None), True),
        EXPLICIT,
        (x509.InhibitAnyPolicy(0), True),
    ):
        middle = named("stateful ca", ROOT, "stateful ca", [extra], ca=True)
        assert _likeness(loaded(named("stateful leaf", middle, "stateful leaf"), middle, ROOT)) is None


def test_an_algorithm_that_differs_inside_is_judged_by_itself() -> None:
    middle = named("inner ca", ROOT, "inner ca", ca=True)
    leaf, *above = loaded(named("inner leaf", middle, "inner leaf"), middle, ROOT)
    ecdsa_sha256, ecdsa_sha384 = bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d040303")
    altered = leaf.der.replace(ecdsa_sha256, ecdsa_sha384, 1)
    assert altered != leaf.der
    assert _likeness((leaf, *above)) is not None
    assert _likeness((replace(leaf, der=altered), *above)) is None

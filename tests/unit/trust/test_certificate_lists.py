"""CRLs of every kind (RFC 5280 clauses 5 and 6.3.3): what they say, and of whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.unit.validation.laboratory import NOW, SIGNED, START, Member, certificate, crl, key
from zdda.signatures.certificates import load_certificate
from zdda.trust.revocation import CertificateStatus, Doubt, RevocationData, RevocationFact, decisive_fact
from zdda.trust.revocation import revocation_facts as all_facts

ROOT = certificate("list root", None, ca=True)
LEAF = certificate("list leaf", ROOT)
HOLD = x509.ReasonFlags.certificate_hold
KEY = x509.ReasonFlags.key_compromise
REMOVED = x509.ReasonFlags.remove_from_crl
Extensions = Sequence[tuple[x509.ExtensionType, bool]]


def facts(
    *lists: bytes, of: Member = LEAF, issuer: Member = ROOT, others: Sequence[Member] = ()
) -> tuple[RevocationFact, ...]:
    return all_facts(
        load_certificate(of.der),
        load_certificate(issuer.der),
        RevocationData(lists),
        NOW,
        others=[load_certificate(each.der) for each in others],
    )


def decisive(*lists: bytes, **more: object) -> RevocationFact | None:
    return decisive_fact(facts(*lists, **more), NOW)  # type: ignore[arg-type]


def status(*lists: bytes, **more: object) -> CertificateStatus | None:
    fact = decisive(*lists, **more)
    return None if fact is None else fact.status


def point(
    uri: str | None = None,
    user: bool = False,
    ca: bool = False,
    indirect: bool = False,
    attribute: bool = False,
    reasons: frozenset[x509.ReasonFlags] | None = None,
    relative: x509.RelativeDistinguishedName | None = None,
) -> tuple[x509.ExtensionType, bool]:
    names = [x509.UniformResourceIdentifier(uri)] if uri else None
    return x509.IssuingDistributionPoint(names, relative, user, ca, reasons, indirect, attribute), True


def at(
    uri: str | None, crl_issuer: Member | None = None, reasons: frozenset[x509.ReasonFlags] | None = None
) -> tuple[x509.ExtensionType, bool]:
    names = [x509.UniformResourceIdentifier(uri)] if uri else None
    issuers = [x509.DirectoryName(crl_issuer.certificate.subject)] if crl_issuer else None
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, reasons, issuers)]), False


def written(
    issuer: Member,
    entries: Sequence[tuple[int, Sequence[tuple[x509.ExtensionType, bool]]]],
    number: int = 1,
    moment: datetime = NOW,
    extra: Extensions = (),
) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(moment)
        .next_update(moment + timedelta(days=7))
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for serial, extensions in entries:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(SIGNED)
        for extension, critical in extensions:
            entry = entry.add_extension(extension, critical)
        builder = builder.add_revoked_certificate(entry.build())
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key(issuer.name), hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def reason(flag: x509.ReasonFlags) -> list[tuple[x509.ExtensionType, bool]]:
    return [(x509.CRLReason(flag), False)]


def delta(
    entries: Sequence[tuple[int, Sequence[tuple[x509.ExtensionType, bool]]]] = (),
    base: int = 1,
    number: int = 2,
    moment: datetime = NOW,
    issuer: Member = ROOT,
    extra: Extensions = (),
) -> bytes:
    return written(issuer, entries, number, moment, [(x509.DeltaCRLIndicator(base), True), *extra])


@pytest.mark.parametrize("count", [1, 5, 300])
def test_every_entry_is_found_and_nothing_else(count: int) -> None:
    serials = [1, 127, 128, 255, 256, 2**63, 2**64 + 5, 2**158 - 1]
    serials += [(number * 0x9E3779B97F4A7C15) % 2**120 + 2 for number in range(count)]
    wide: list[tuple[x509.ExtensionType, bool]] = [
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.9"), bytes(range(250))), False)
    ]
    der = written(ROOT, [(serial, wide if index % 7 == 3 else []) for index, serial in enumerate(serials)])
    parsed = x509.load_der_x509_crl(der)
    for serial in (*serials, 2, 126, 129, 2**62, 2**158, 0xFA):
        listed = parsed.get_revoked_certificate_by_serial_number(serial) is not None
        assert (status(der, of=with_serial(serial)) is CertificateStatus.REVOKED) == listed, serial


def with_serial(serial: int) -> Member:
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "numbered")]))
        .issuer_name(ROOT.certificate.subject)
        .public_key(key("numbered").public_key())
        .serial_number(serial)
        .not_valid_before(START)
        .not_valid_after(NOW + timedelta(days=100))
        .sign(key(ROOT.name), hashes.SHA256())
    )
    return Member("numbered", built)


def test_bytes_of_a_serial_number_elsewhere_are_no_entry() -> None:
    """The number stands inside another entry's extension, as an INTEGER of the same length."""
    contents = LEAF.serial.to_bytes(LEAF.serial.bit_length() // 8 + 1)
    hidden = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.9"), bytes((2, len(contents))) + contents)
    der = written(ROOT, [(77, [(hidden, False)])])
    assert contents in der
    assert status(der) is CertificateStatus.GOOD


def test_what_repeats_a_number_without_end_is_not_used() -> None:
    contents = LEAF.serial.to_bytes(LEAF.serial.bit_length() // 8 + 1)
    block = (bytes((2, len(contents))) + contents) * 100_001
    hidden = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.9"), block)
    assert facts(written(ROOT, [(77, [(hidden, False)])])) == ()


def test_reason_and_time_are_those_of_the_entry() -> None:
    fact = decisive(written(ROOT, [(5, reason(HOLD)), (LEAF.serial, reason(KEY)), (6, [])]))
    assert fact is not None
    assert (fact.reason, fact.revoked_at) == ("key_compromise", SIGNED)
    fact = decisive(written(ROOT, [(LEAF.serial, [])]))
    assert fact is not None
    assert fact.reason == "unspecified"


def test_of_two_entries_the_one_for_good_counts() -> None:
    fact = decisive(written(ROOT, [(LEAF.serial, reason(HOLD)), (LEAF.serial, reason(KEY))]))
    assert fact is not None
    assert fact.reason == "key_compromise"


@pytest.mark.parametrize("serial", [7, LEAF.serial])
def test_an_unknown_critical_extension_of_any_entry_silences_the_list(serial: int) -> None:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.9"), b"\x05\x00")
    assert facts(written(ROOT, [(serial, [(odd, True)])])) == ()
    assert status(written(ROOT, [(7, [(odd, False)])])) is CertificateStatus.GOOD
    assert status(written(ROOT, [(7, [(x509.CRLReason(KEY), True)])])) is CertificateStatus.GOOD
    other = x509.CertificateIssuer([x509.DirectoryName(ROOT.certificate.subject)])
    assert facts(written(ROOT, [(7, [(other, True)])])) == (), "only an indirect CRL has a certificateIssuer"


@pytest.mark.parametrize(
    ("value", "critical", "read"),
    [
        (b"\x18\x0f20200101000000Z", True, True),
        (b"\x30\x1d\xa0\x18", True, False),
        (b"\x17\x0f20200101000000Z", True, False),
        (b"\x18\x0f2020010100 000Z", True, False),
        (b"\x30\x1d\xa0\x18", False, True),
    ],
)
def test_a_critical_extension_that_cannot_be_read_silences_the_list(value: bytes, critical: bool, read: bool) -> None:
    """RFC 5280 clause 5.2; what fuzzing found: expiredCertsOnCRL with the contents of another extension."""
    kept = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.60"), value)
    found = facts(written(ROOT, [], extra=[(kept, critical)]))
    assert bool(found) is read


# --- delta


def test_a_delta_alone_revokes_but_clears_nobody() -> None:
    assert facts(delta()) == ()
    assert status(delta([(LEAF.serial, reason(KEY))])) is CertificateStatus.REVOKED


def test_a_delta_brings_its_complete_list_up_to_date() -> None:
    old = NOW - timedelta(days=5)
    base = written(ROOT, [], 1, old)
    fact = decisive(base, delta())
    assert fact is not None
    assert (fact.status, fact.this_update, len(fact.supporting)) == (CertificateStatus.GOOD, NOW, 1)
    assert status(base, delta([(LEAF.serial, reason(KEY))])) is CertificateStatus.REVOKED
    revoked = written(ROOT, [(LEAF.serial, reason(KEY))], 1, old)
    assert status(revoked, delta()) is CertificateStatus.REVOKED
    assert status(revoked, delta([(LEAF.serial, reason(REMOVED))])) is CertificateStatus.REVOKED


def test_a_hold_ends_when_a_delta_removes_it() -> None:
    held = written(ROOT, [(LEAF.serial, reason(HOLD))], 1, NOW - timedelta(days=5))
    assert status(held) is CertificateStatus.REVOKED
    assert status(held, delta()) is CertificateStatus.REVOKED
    assert status(held, delta([(LEAF.serial, reason(REMOVED))])) is CertificateStatus.GOOD


@pytest.mark.parametrize(
    "other",
    [
        delta([(LEAF.serial, reason(REMOVED))], base=3, number=4),
        delta([(LEAF.serial, reason(REMOVED))], base=1, number=1),
        delta([(LEAF.serial, reason(REMOVED))], extra=[point(user=True)]),
        delta([(LEAF.serial, reason(REMOVED))], issuer=Member("forger", ROOT.certificate)),
    ],
    ids=["newer base", "not newer", "other scope", "other signer"],
)
def test_a_delta_for_another_list_changes_nothing(other: bytes) -> None:
    held = written(ROOT, [(LEAF.serial, reason(HOLD))], 1, NOW - timedelta(days=5))
    assert status(held, other) is CertificateStatus.REVOKED


# --- partitioned

HERE, THERE = "http://crl.example/1.crl", "http://crl.example/2.crl"


@pytest.mark.parametrize(
    ("extension", "answers"),
    [
        (point(HERE), True),
        (point(THERE), False),
        (point(user=True), True),
        (point(ca=True), False),
        (point(attribute=True), False),
        (point(HERE, indirect=True), True),
    ],
)
def test_a_partition_answers_for_its_own(extension: tuple[x509.ExtensionType, bool], answers: bool) -> None:
    leaf = certificate("list leaf here", ROOT, extra=[at(HERE)])
    found = status(written(ROOT, [], extra=[extension]), of=leaf)
    assert found is (CertificateStatus.GOOD if answers else None)


def test_a_relative_name_is_below_the_issuer() -> None:
    relative = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "part 1")])
    leaf = certificate(
        "list leaf relative",
        ROOT,
        extra=[(x509.CRLDistributionPoints([x509.DistributionPoint(None, relative, None, None)]), False)],
    )
    other = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "part 2")])
    assert status(written(ROOT, [], extra=[point(relative=relative)]), of=leaf) is CertificateStatus.GOOD
    assert status(written(ROOT, [], extra=[point(relative=other)]), of=leaf) is None


def test_a_list_of_some_reasons_revokes_but_clears_nobody() -> None:
    some = point(reasons=frozenset({KEY}))
    found = facts(written(ROOT, [], extra=[some]))
    assert [fact.doubts for fact in found] == [(Doubt.SOME_REASONS_ONLY,)]
    assert status(written(ROOT, [(LEAF.serial, reason(KEY))], extra=[some])) is CertificateStatus.REVOKED
    leaf = certificate("list leaf reasons", ROOT, extra=[at(HERE, reasons=frozenset({KEY}))])
    assert status(written(ROOT, [], extra=[point(HERE)]), of=leaf) is None


# --- indirect

LISTS = certificate("list service", ROOT, ca=True)
INDIRECT = certificate("list leaf indirect", ROOT, extra=[at(HERE, LISTS)])


def issued_by(member: Member) -> tuple[x509.ExtensionType, bool]:
    return x509.CertificateIssuer([x509.DirectoryName(member.certificate.subject)]), True


def test_an_indirect_list_answers_where_the_certificate_names_its_issuer() -> None:
    own = crl(ROOT)
    good = written(LISTS, [], extra=[point(HERE, indirect=True)])
    assert status(good, own, of=INDIRECT, others=[LISTS]) is CertificateStatus.GOOD
    revoked = written(LISTS, [(INDIRECT.serial, [issued_by(ROOT)])], extra=[point(HERE, indirect=True)])
    assert status(revoked, own, of=INDIRECT, others=[LISTS]) is CertificateStatus.REVOKED
    assert [f.issuer.der for f in facts(good, of=INDIRECT, others=[LISTS])] == [LISTS.der]
    assert facts(good, of=INDIRECT) == (), "its issuer is not known"
    assert facts(good, others=[LISTS]) == (), "the certificate names no such issuer"
    assert facts(written(LISTS, [], extra=[point(HERE)]), of=INDIRECT, others=[LISTS]) == (), "not indirect"


def test_an_indirect_lists_issuer_is_checked_itself() -> None:
    good = written(LISTS, [], extra=[point(HERE, indirect=True)])
    found = facts(good, of=INDIRECT, others=[LISTS])
    assert [fact.doubts for fact in found] == [(Doubt.RESPONDER_NOT_CHECKED,)]
    revoked = crl(ROOT, revoked=[(LISTS, SIGNED, KEY)])
    doubts = [f.doubts for f in facts(good, revoked, of=INDIRECT, others=[LISTS]) if f.issuer.der == LISTS.der]
    assert doubts == [(Doubt.RESPONDER_REVOKED,)]


def test_another_cas_namesake_of_the_lists_issuer_is_not_believed() -> None:
    other = certificate("other root of lists", None, ca=True)
    forger = certificate("list service", other, ca=True)
    forged = written(Member("forger", forger.certificate), [], extra=[point(HERE, indirect=True)])
    assert facts(forged, of=INDIRECT, others=[LISTS, forger]) == ()
    signed = written(forger, [], extra=[point(HERE, indirect=True)])
    assert facts(signed, of=INDIRECT, others=[forger]) == (), "signed, but by nobody whom the issuer knows"
    lookalike = certificate("list service", Member("another key", ROOT.certificate), ca=True)
    assert facts(signed, of=INDIRECT, others=[lookalike]) == (), "the issuer's name, not its key"
    sibling = certificate("list service", LISTS, ca=True)
    signed = written(sibling, [], extra=[point(HERE, indirect=True)])
    assert facts(signed, of=INDIRECT, others=[sibling]) == (), "not issued by the certificate's own issuer"


@pytest.mark.parametrize("critical", [False, True])
def test_an_indirect_lists_issuer_under_an_unknown_condition_is_not_believed(critical: bool) -> None:
    """RFC 5280 clause 4.2: a certificate with a critical extension that is not understood is rejected."""
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
    issuer = certificate("list service", ROOT, ca=True, extra=[(odd, critical)])
    signed = written(issuer, [], extra=[point(HERE, indirect=True)])
    assert bool(facts(signed, of=INDIRECT, others=[issuer])) is not critical


def test_an_indirect_lists_entries_are_of_the_issuer_in_force() -> None:
    """Clause 5.3.3: an entry without certificateIssuer has that of the entry before it."""
    other = certificate("yet another root", None, ca=True)
    serial = INDIRECT.serial

    def told(*entries: tuple[int, Sequence[tuple[x509.ExtensionType, bool]]]) -> CertificateStatus | None:
        der = written(LISTS, entries, extra=[point(HERE, indirect=True)])
        return status(der, crl(ROOT), of=INDIRECT, others=[LISTS])

    assert told((serial, [])) is CertificateStatus.GOOD, "of the list's own issuer"
    assert told((5, [issued_by(ROOT)]), (6, []), (serial, [])) is CertificateStatus.REVOKED
    assert told((5, [issued_by(other)]), (6, []), (serial, [])) is CertificateStatus.GOOD
    assert told((serial, [issued_by(other)]), (serial, [issued_by(ROOT)])) is CertificateStatus.REVOKED
    assert told((5, [issued_by(ROOT)]), (6, [issued_by(other)]), (serial, [])) is CertificateStatus.GOOD


# --- whose


def test_a_list_of_a_namesake_says_nothing() -> None:
    namesake = Member("forger", ROOT.certificate)
    assert facts(crl(namesake)) == ()
    assert facts(crl(namesake, revoked=[(LEAF, SIGNED, KEY)])) == ()


def test_a_serial_number_of_another_issuer_is_another_certificate() -> None:
    other = certificate("other issuer", None, ca=True)
    assert status(crl(other, revoked=[(LEAF, SIGNED, KEY)]), crl(ROOT)) is CertificateStatus.GOOD


def test_an_issuer_that_may_not_sign_lists_is_not_believed() -> None:
    weak = certificate("weak issuer", None, usage="digital")
    leaf = certificate("weak leaf", weak)
    assert facts(crl(weak), of=leaf, issuer=weak) == ()


def test_rubbish_says_nothing() -> None:
    good = crl(ROOT)
    for der in (b"", b"\x30", good[:-1], b"\x30\x80" + good, good.replace(b"\x30", b"\x31", 1)):
        assert facts(der) == ()

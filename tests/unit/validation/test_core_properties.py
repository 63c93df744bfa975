"""Properties of the core over random facts: what more evidence, less evidence and more time may do to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.validation.facts_laboratory import (
    CA,
    FAR,
    ROOT,
    SIGNATURE,
    Facts,
    certificate,
    day,
    identifier,
    signature,
    stamp,
    told,
)
from zdda.signatures.certificates import Certificate
from zdda.signatures.model import Timestamp, TimestampType
from zdda.trust.revocation import CertificateStatus, RevocationFact
from zdda.validation.indications import Indication
from zdda.validation.processes import Judged, judge

EPOCH = day(2010)
RANK = {Indication.TOTAL_FAILED: 0, Indication.INDETERMINATE: 1, Indication.TOTAL_PASSED: 2}
days = st.integers(0, 20 * 365).map(lambda number: EPOCH + timedelta(days=number))
RARELY = st.sampled_from([False] * 6 + [True])
DIGESTS = st.sampled_from(["sha256"] * 6 + ["sha1"])
MODEST = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Scene:
    """One signature, its timestamps and all that is known of their certificates, at ``now``."""

    now: datetime
    signer: Certificate
    facts: tuple[RevocationFact, ...]
    ca_facts: tuple[RevocationFact, ...]
    trusted_until: datetime | None
    authorities: tuple[tuple[Certificate, tuple[RevocationFact, ...]], ...]
    timestamps: tuple[Timestamp, ...]
    claimed: datetime
    digest: str

    def judged(self, now: datetime | None = None, more: Sequence[Timestamp] = ()) -> Judged:
        evidence = Facts(now or self.now)
        evidence.trust(self.signer, self.facts, self.ca_facts, self.trusted_until)
        for authority, facts in self.authorities:
            evidence.trust(authority, facts, self.ca_facts)
        evidence.trust(STEADY, [told(ROOT, EPOCH, valid=FAR - EPOCH, about="steady")], [told(ROOT, EPOCH)])
        own = [item for item in self.timestamps if item.type is not TimestampType.ARCHIVE]
        signed = signature(self.signer, self.claimed, own, self.digest)
        return judge([signed], [*self.timestamps, *more], evidence)

    def verdict(self, now: datetime | None = None, more: Sequence[Timestamp] = ()) -> Indication:
        return self.judged(now, more).signatures[0].conclusion.indication

    @property
    def objects(self) -> list[bytes]:
        """Everything whose existence can be proven."""
        facts = [*self.facts, *self.ca_facts, *(fact for _, known in self.authorities for fact in known)]
        certificates = [self.signer, CA, *(authority for authority, _ in self.authorities)]
        return [
            SIGNATURE,
            *(fact.digest for fact in facts),
            *(item.sha256 for item in certificates),
            *(identifier(item) for item in self.timestamps),
        ]


STEADY = certificate("steady tsa", start=EPOCH, kind="tsa")


@st.composite
def revocation(draw: st.DrawFn, issuer: Certificate, now: datetime, about: str) -> tuple[RevocationFact, ...]:
    """Some data of before ``now``, all telling the same story."""
    revoked_at = draw(days.filter(lambda at: at <= now)) if draw(RARELY) else None
    found = []
    for at in draw(st.lists(days.filter(lambda at: at <= now), min_size=not draw(RARELY), max_size=3, unique=True)):
        fact = told(issuer, at, None, timedelta(days=draw(st.sampled_from([1, 30, 4000]))), about)
        if revoked_at is not None and revoked_at <= at:
            fact = replace(fact, status=CertificateStatus.REVOKED, revoked_at=revoked_at, reason="unspecified")
        found.append(fact)
    return tuple(found)


@st.composite
def validity(draw: st.DrawFn) -> tuple[datetime, datetime]:
    start = draw(st.just(EPOCH) | days)
    return start, start + timedelta(days=draw(st.sampled_from([300, 1000, 4000, 9000])))


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    now = draw(days.filter(lambda at: at > day(2014)))
    before = days.filter(lambda at: at <= now)
    start, end = draw(validity())
    signer = certificate("signer", start, end, algorithm=draw(DIGESTS))
    responder_start, responder_end = draw(validity())
    responder = certificate("responder", responder_start, responder_end, kind="responder")
    facts = draw(revocation(draw(st.sampled_from([CA, CA, responder])), now, "signer"))
    ca_facts = draw(revocation(ROOT, now, "ca"))
    authorities, stamps = [], []
    for number in range(draw(st.integers(0, 2))):
        start, end = draw(validity())
        authority = certificate(f"tsa {number}", start, end, kind="tsa")
        authorities.append((authority, draw(revocation(CA, now, f"tsa {number}"))))
        type = draw(st.sampled_from([TimestampType.SIGNATURE, TimestampType.ARCHIVE, TimestampType.CONTENT]))
        covers = (SIGNATURE,) if type is TimestampType.SIGNATURE else ()
        if type is TimestampType.ARCHIVE:
            covers = (SIGNATURE, signer.sha256, CA.sha256, *(fact.digest for fact in (*facts, *ca_facts)))
        stamps.append(stamp(authority, draw(before), covers, type, digest=draw(DIGESTS)))
    until = draw(days) if draw(RARELY) else None
    claimed = draw(days) if draw(RARELY) else signer.not_before
    digest = draw(DIGESTS)
    return Scene(now, signer, facts, ca_facts, until, tuple(authorities), tuple(stamps), claimed, digest)


@MODEST
@given(scenes(), st.data())
def test_a_further_proof_never_worsens_a_verdict(scene: Scene, data: st.DataObject) -> None:
    earliest = max(scene.signer.not_before, EPOCH)
    if earliest > scene.now:
        return
    span = (scene.now - earliest).days
    at = earliest + timedelta(days=data.draw(st.integers(0, span)))
    covered = data.draw(st.lists(st.sampled_from(scene.objects), unique=True))
    further = stamp(STEADY, at, covered, TimestampType.ARCHIVE)
    judged = scene.judged(more=[further])
    assert judged.timestamps[further.identifier].conclusion.passed
    if judged.proofs.of(SIGNATURE).time < scene.signer.not_before:
        return  # it saved an older timestamp, which proves the signature older than its certificate
    assert RANK[judged.signatures[0].conclusion.indication] >= RANK[scene.verdict()]


@MODEST
@given(scenes())
def test_without_good_revocation_answers_nothing_passes(scene: Scene) -> None:
    def bad(facts: tuple[RevocationFact, ...]) -> tuple[RevocationFact, ...]:
        return tuple(fact for fact in facts if fact.status is not CertificateStatus.GOOD)

    assert replace(scene, facts=(), ca_facts=()).verdict() is not Indication.TOTAL_PASSED
    assert replace(scene, facts=()).verdict() is not Indication.TOTAL_PASSED
    assert replace(scene, ca_facts=()).verdict() is not Indication.TOTAL_PASSED
    if not bad(scene.facts) or not bad(scene.ca_facts):
        assert (
            replace(scene, facts=bad(scene.facts), ca_facts=bad(scene.ca_facts)).verdict()
            is not Indication.TOTAL_PASSED
        )


@MODEST
@given(scenes(), st.integers(0, 8000))
def test_more_time_alone_never_makes_an_open_verdict_a_failure(scene: Scene, later: int) -> None:
    if scene.verdict() is Indication.INDETERMINATE:
        assert scene.verdict(scene.now + timedelta(days=later)) is not Indication.TOTAL_FAILED


@MODEST
@given(scenes())
def test_archival_validation_never_worsens_what_time_gave(scene: Scene) -> None:
    found = scene.judged().signatures[0]
    older = found.archival.best_signature_time < scene.signer.not_before
    if found.with_time.process.conclusion.passed:
        assert found.conclusion.passed is not older
    assert found.archival.best_signature_time <= scene.now

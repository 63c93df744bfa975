"""Which chains a document holds revocation data for is found by going through each certificate once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.validation.laboratory import START, Member, certificate, crl
from zdda.signatures.certificates import load_certificate
from zdda.trust.revocation import RevocationData
from zdda.validation import levels


def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    made: list[int] = []
    original = levels._told
    monkeypatch.setattr(levels, "_told", lambda *given: made.append(1) or original(*given))
    return made


def covered(signer: Member, others: list[Member], crls: list[bytes]) -> bool:
    pool = [load_certificate(each.der) for each in (signer, *others)]
    return levels._covered(pool[0], pool, RevocationData(tuple(crls), ()))


def chain(length: int) -> list[Member]:
    """A self-issued certificate and those below it."""
    made = [certificate("level 0", None, ca=True)]
    for number in range(1, length):
        made.append(certificate(f"level {number}", made[-1], ca=True))
    return made


def test_two_authorities_that_certified_each_other_many_times(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = certificate("mal x", None, ca=True), certificate("mal y", None, ca=True)
    signer = certificate("mal signer", x)
    days = [timedelta(days=number) for number in range(4)]
    others = [certificate("mal x", y, ca=True, start=START + day) for day in days]
    others += [certificate("mal y", x, ca=True, start=START + day) for day in days]
    made = looks(monkeypatch)
    assert not covered(signer, others, [crl(x), crl(y)])
    assert len(made) <= len(others) ** 2
    assert covered(signer, [*others, y], [crl(x), crl(y)])


def test_a_chain_is_as_long_as_it_may_be_and_no_longer() -> None:
    made = chain(12)
    crls = [crl(each) for each in made]
    assert covered(made[10], made[:10], crls)
    assert not covered(made[11], made[:11], crls)
    assert not covered(made[10], made[:10], crls[:9])
    assert not covered(made[10], made[1:10], crls)
    assert covered(made[0], [], [])


def test_looks_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    made = chain(4)
    crls = [crl(each) for each in made]
    assert covered(made[3], made[:3], crls)
    monkeypatch.setattr(levels, "_MOST_PAIRS", 2)
    assert not covered(made[3], made[:3], crls)

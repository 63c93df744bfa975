"""The short run: every seed holds its promise, and so do some hundreds of changed ones. The long one is
``make campaign-fuzz``."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.mutation import mutations
from tests.fuzz.targets import CONTENT, TARGETS, Violation, _judged, cms_seeds, fuzz_cms, pdf_seeds
from zdda.validation import validate

EXECUTIONS = {"cms": 400, "token": 600, "crl": 600, "ocsp": 600, "pdf": 150}


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_hold_their_promises(name: str) -> None:
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)
    for short in (b"", b"\x30", b"%PDF-1.7\n"):
        TARGETS[name].run(short)


def test_the_seeds_reach_what_is_to_be_tested() -> None:
    assert all(_judged(seed, [CONTENT]) for seed in cms_seeds())
    assert sum(_judged(seed) for seed in pdf_seeds()) >= 3


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_hold_them_too(name: str) -> None:
    target = TARGETS[name]
    for data in mutations(target.seeds(), EXECUTIONS[name], random.Random(20261124)):
        target.run(data)


def test_a_broken_promise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(validate, "read_cms_document", fail)
    with pytest.raises(Violation, match="internal error"):
        fuzz_cms(cms_seeds()[0])

"""The short run: every seed holds its promise, and so do some hundreds of changed ones. The long one is
``make campaign-fuzz``."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.fuzz import cms_targets, pdf_targets, revocation_targets
from tests.fuzz.cms_targets import cms_seeds, fuzz_cms, signed_again
from tests.fuzz.mutation import mutations
from tests.fuzz.pdf_targets import append_seeds, fuzz_append, mutate_pdf, pdf_seeds, with_offsets
from tests.fuzz.promises import CONTENT, Violation, judged, passes
from tests.fuzz.targets import TARGETS
from tests.unit.validation.laboratory import NOW, crl, update, world
from zdda.signatures import cms
from zdda.trust.revocation import RevocationData
from zdda.validation import validate

EXECUTIONS = {"cms": 250, "token": 400, "crl": 600, "ocsp": 600, "pdf": 200, "pdf-append": 200}


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_hold_their_promises(name: str) -> None:
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)
    for short in (b"", b"\x30", b"%PDF-1.7\n"):
        TARGETS[name].run(short)


def test_the_seeds_reach_what_is_to_be_tested() -> None:
    assert [passes(judged(seed, [CONTENT])) for seed in cms_seeds()] == [True] * 6 + [False, True]
    assert all(passes(judged(seed)) for seed in pdf_seeds())


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


def test_a_changed_message_that_is_signed_again_verifies() -> None:
    """Else fuzzing would never get beyond the signature value."""
    lab = world()
    seed = cms_seeds()[1]
    changed = seed.replace(b"210601120000Z", b"210601110000Z")
    assert changed != seed
    assert not passes(judged(changed, [CONTENT]))
    again = signed_again(changed, cms.parse_signed_data(changed), lab.signer)
    assert again is not None
    assert len(again) == len(changed)
    assert passes(judged(again, [CONTENT]))
    assert signed_again(seed, cms.parse_signed_data(seed), lab.signer) is None


def test_a_signature_that_names_other_content_is_noticed() -> None:
    with pytest.raises(Violation, match="other content"):
        cms_targets._must_name_its_content(cms_seeds()[0].replace(CONTENT, CONTENT[::-1]))


def test_a_message_that_is_read_otherwise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cms_targets, "BY_ASN1CRYPTO", lambda _: cms.parse_signed_data(cms_seeds()[1]))
    with pytest.raises(Violation, match="as asn1crypto reads"):
        fuzz_cms(cms_seeds()[0])


def test_offsets_are_put_right() -> None:
    signed = pdf_targets._signed()
    assert with_offsets(signed) == signed
    longer = signed.replace(b"%PDF-1.7\n", b"%PDF-1.7\n% longer\n")
    repaired = with_offsets(longer)
    assert repaired != longer
    assert judged(repaired).content["document"]["findings"] == []
    assert judged(longer).content["document"]["findings"] != []


def test_changes_of_a_pdf_leave_most_documents_readable() -> None:
    def mutate(data: bytes, most: int) -> bytes:
        return next(mutations([data or b"\x00"], 1, random.Random(len(data))))[:most]

    def readable(change: Callable[[int], bytes]) -> int:
        found = [judged(change(number)) for number in range(40)]
        return sum(report.refused is None and bool(report.signatures) for report in found)

    seed = pdf_seeds()[4]
    assert readable(lambda number: mutate_pdf(seed, 20_000, number, mutate)) > 12


def test_what_is_shown_differently_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zdda.signatures.pdf_reader.changes_after", lambda *_: pdf_targets.Changes.NOTHING)
    fuzz_append(append_seeds()[2])
    for number in (1, 3):
        with pytest.raises(Violation, match="another page"):
            fuzz_append(append_seeds()[number])


def test_a_page_more_that_passes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    base = pdf_targets._signed()
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"
    tail = update(base, {2: b"<< /Type /Pages /Kids [3 0 R 40 0 R] /Count 1 >>", 40: page}, 41)[len(base) :]
    fuzz_append(tail)
    monkeypatch.setattr("zdda.signatures.pdf.PdfDocument.page_counts", lambda *_: (1, 1))
    with pytest.raises(Violation, match="other pages"):
        fuzz_append(tail)


def test_another_reading_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_targets, "_READ_TWICE_OF", 1)
    for seed in pdf_seeds():
        TARGETS["pdf"].run(seed)
    another = judged(pdf_seeds()[1])
    with pytest.raises(Violation, match="as pyHanko reads"):
        pdf_targets._must_be_read_alike(pdf_seeds()[0], another)


def test_a_list_that_names_the_certificate_is_not_taken_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = world()
    good = revocation_targets._believed(RevocationData((crl(lab.issuing, NOW),)))
    monkeypatch.setattr(revocation_targets, "_believed", lambda _: good)
    with pytest.raises(Violation, match="that the list names"):
        TARGETS["crl"].run(revocation_targets.crl_seeds()[1])


def test_an_update_alone_is_what_is_appended() -> None:
    base = pdf_targets._signed()
    assert base + append_seeds()[1] == update(
        base, {4: b"<< /Length 22 >>\nstream\nBT (another) Tj ET    \nendstream"}, 40
    )

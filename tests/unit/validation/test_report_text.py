"""A report written from its blocks has the bytes that its JSON has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.validation.laboratory import world
from tests.unit.validation.test_pdf_verdicts import judge
from tests.unit.validation.test_report_golden import DOCUMENTS, report
from zdda.model.canonical_json import canonical_json
from zdda.validation import messages
from zdda.validation.constraints import Block, Constraint, Status
from zdda.validation.indications import Conclusion, Indication, SubIndication
from zdda.validation.report import ValidationReport
from zdda.validation.report_text import plain_report, report_text


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_bytes_are_those_of_the_values(name: str) -> None:
    made = report(name)
    assert made.as_canonical_json() == canonical_json(made.as_json())
    assert ValidationReport.from_json(made.as_json()).as_canonical_json() == made.as_canonical_json()


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
CONSTRAINTS = st.builds(
    Constraint, st.sampled_from(sorted(messages.MESSAGES)), st.just("5.2"), st.sampled_from(Status), TEXT, TEXT
)
CONCLUSIONS = st.builds(Conclusion, st.sampled_from(Indication), st.none() | st.sampled_from(SubIndication))
BLOCKS = st.lists(st.builds(Block, TEXT, TEXT, CONCLUSIONS, st.lists(CONSTRAINTS, max_size=4).map(tuple)), max_size=2)
JUDGED = st.lists(
    st.fixed_dictionaries(
        {"processes": BLOCKS, "buildingBlocks": BLOCKS, "z": st.none() | st.integers() | st.booleans() | TEXT},
        optional={"a": st.lists(TEXT, max_size=2), "m": st.dictionaries(TEXT, TEXT, max_size=2)},
    ),
    max_size=2,
)


@given(JUDGED, JUDGED, st.dictionaries(TEXT, TEXT, max_size=2))
def test_whatever_the_records_hold(signatures: list[object], timestamps: list[object], other: dict[str, str]) -> None:
    made = {"signatures": signatures, "timestamps": timestamps, "other": other}
    assert report_text(made).encode() == canonical_json(plain_report(made))


def test_what_cannot_be_written_is_an_internal_error_and_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    from zdda.validation import report_text as module

    def unknown(*_: object) -> str:
        raise KeyError("a constraint without words")

    monkeypatch.setattr(module, "_constant", unknown)
    made = judge(world().basic())
    assert made.not_validated == "internal-error"
    assert made.worst() is Indication.INDETERMINATE
    assert made.signatures == ()

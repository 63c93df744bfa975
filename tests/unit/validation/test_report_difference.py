"""Two reports compared: nothing that differs is passed over, and it is told for what it is."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.validation.test_report_golden import report
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.validation.report_difference import Kind, differences

leaves = st.one_of(st.none(), st.booleans(), st.integers(0, 1), st.sampled_from(["", "a", "(absent)"]))
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["identifier", "id", "name", "constraints", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
reports = st.dictionaries(st.sampled_from(["engine", "signatures", "refused", "y"]), values, max_size=3)


@settings(max_examples=300, deadline=None)
@given(reports, reports)
def test_there_is_a_difference_exactly_where_the_bytes_differ(before: Any, after: Any) -> None:
    assert bool(differences(before, after)) == (canonical_json(before) != canonical_json(after))
    assert differences(before, copy.deepcopy(before)) == ()


def test_true_is_not_one() -> None:
    (one,) = differences({"y": True}, {"y": 1})
    assert (one.before, one.after) == (True, 1)
    assert differences({"y": [1]}, {"y": [True]})


def content() -> Any:
    return parse_json(canonical_json(report("signed-with-timestamp").as_json()))


def test_kinds_and_places() -> None:
    before, after = content(), content()
    identifier = before["signatures"][0]["identifier"]
    after["engine"] = "other"
    after["signatures"][0].update(indication="INDETERMINATE", subindication="NO_POE", format="other")
    constraint = after["signatures"][0]["buildingBlocks"][0]["constraints"].pop(0)
    after["timestamps"] = []
    after["signatures"][0]["timestamps"] = []
    found = {each.where: each.kind for each in differences(before, after)}
    at = f"signatures/signature {identifier}"
    block = before["signatures"][0]["buildingBlocks"][0]["name"]
    stamp = before["timestamps"][0]["identifier"]
    assert found == {
        "engine": Kind.PIN,
        f"{at}/indication": Kind.VERDICT,
        f"{at}/subindication": Kind.VERDICT,
        f"{at}/format": Kind.OTHER,
        f"{at}/buildingBlocks/{block}/constraints/{constraint['id']}": Kind.CONSTRAINT,
        f"{at}/timestamps/{stamp}": Kind.OTHER,
        f"timestamps/timestamp {stamp}": Kind.VERDICT,
    }


def test_a_change_of_order_alone_is_told() -> None:
    before, after = content(), content()
    after["validationData"].reverse()
    (one,) = differences(before, after)
    assert one.where == "validationData/order"
    assert one.as_json()["kind"] == "other"

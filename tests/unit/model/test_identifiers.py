from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zdda.model.clock import FixedClock
from zdda.model.identifiers import ContentAddress, new_identifier, tenant_id
from zdda.model.objects import ObjectKind, ObjectName

MOMENT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_identifier_is_uuid_version_7_with_the_moment_in_front() -> None:
    identifier = new_identifier(FixedClock(MOMENT), lambda n: b"\xff" * n)
    assert identifier.version == 7
    assert identifier.variant == "specified in RFC 4122"
    assert identifier.int >> 80 == int(MOMENT.timestamp() * 1000)


@given(st.binary(min_size=10, max_size=10), st.integers(1, 10**9))
def test_later_identifiers_sort_later(random: bytes, milliseconds: int) -> None:
    clock = FixedClock(MOMENT)
    first = new_identifier(clock, lambda n: b"\xff" * n)
    clock.move_to(MOMENT + timedelta(milliseconds=milliseconds))
    assert new_identifier(clock, lambda n: random) > first


@pytest.mark.parametrize("text", ["", "A", "-a", "a-", "a" * 64, "a/b", "ž", "a\n"])
def test_a_bad_tenant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="tenant"):
        tenant_id(text)


@given(st.binary(min_size=32, max_size=32))
def test_an_address_survives_its_text(digest: bytes) -> None:
    address = ContentAddress(digest)
    assert ContentAddress.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:" + "A" * 64, "sha512:" + "0" * 64, "sha256:" + "0" * 65])
def test_a_bad_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        ContentAddress.parse(text)


def test_the_associated_data_of_an_object_never_changes() -> None:
    name = ObjectName(tenant_id("nemocnice"), UUID(int=7), ObjectKind.AIP, 3)
    assert name.associated_data() == b"zdda/1|nemocnice|00000000-0000-0000-0000-000000000007|aip|3"

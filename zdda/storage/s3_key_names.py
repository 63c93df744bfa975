"""Where object records lie in a bucket."""

from __future__ import annotations

import re
from uuid import UUID

from zdda.model.identifiers import tenant_id
from zdda.model.objects import ObjectKind, ObjectName

RECORDS = "records/"
SEGMENTS = "segments/"
_SEGMENT = re.compile(r"segments/[0-9]{10}")


def key_of(name: ObjectName) -> str:
    """The key of a record that lies on its own."""
    return f"{RECORDS}{name.tenant}/{name.package}/{name.kind}/{name.sequence}"


def name_of(key: str) -> ObjectName | None:
    """Whose place a key is; None for what is no record's."""
    try:
        tenant, package, kind, sequence = key.removeprefix(RECORDS).split("/")
        name = ObjectName(tenant_id(tenant), UUID(package), ObjectKind(kind), int(sequence))
    except ValueError:
        return None
    return name if key == key_of(name) else None


def segment_key(number: int) -> str:
    """The key of a segment; raises ``ValueError`` beyond ten digits."""
    key = f"{SEGMENTS}{number:010}"
    if not is_segment(key):
        raise ValueError("a segment's number has ten digits")
    return key


def is_segment(key: str) -> bool:
    """Whether a key is a segment's."""
    return _SEGMENT.fullmatch(key) is not None

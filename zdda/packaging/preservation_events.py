"""The body of an amendment that tells what was found wrong with a package's objects in the stores, and what was done.

In PREMIS 3 terms: events of the types *fixity check* and *recovery* (eventType vocabulary of the Library of Congress)
with their outcomes. A check that finds everything whole makes none: the audit and the catalog tell of those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from zdda.model.clock import format_time, parse_time

PRESERVATION_EVENTS = "preservation-events"
"""The kind of such an amendment."""

_MOST_EVENTS = 1000
_MOST_CHARACTERS = 1000


class EventType(StrEnum):
    """PREMIS eventType. Add, never rename."""

    FIXITY_CHECK = "fixity check"
    RECOVERY = "recovery"


class EventOutcome(StrEnum):
    """PREMIS eventOutcome. Add, never rename."""

    SUCCESS = "success"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class PreservationEvent:
    """One event. ``object_kind`` and ``sequence`` name the package's object; ``site`` where its copy lies; ``detail``
    a stable code (``object-digest``, ``object-missing``, ``lock-too-short``, ``record-missing`` …)."""

    type: EventType
    at: datetime
    outcome: EventOutcome
    object_kind: str
    sequence: int
    site: str
    detail: str


@dataclass(frozen=True, slots=True)
class PreservationEvents:
    """In the order in which they happened; 1 to 1000."""

    events: tuple[PreservationEvent, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "events": [
                {
                    "eventType": each.type.value,
                    "eventDateTime": format_time(each.at),
                    "eventOutcome": each.outcome.value,
                    "objectKind": each.object_kind,
                    "sequence": each.sequence,
                    "site": each.site,
                    "eventDetail": each.detail,
                }
                for each in self.events
            ]
        }


def read_preservation_events(value: Mapping[str, Any]) -> PreservationEvents:
    """Raises ``KeyError``, ``TypeError`` or ``ValueError`` for another form."""
    events = tuple(
        PreservationEvent(
            type=EventType(each["eventType"]),
            at=parse_time(each["eventDateTime"]),
            outcome=EventOutcome(each["eventOutcome"]),
            object_kind=_text(each["objectKind"]),
            sequence=_number(each["sequence"]),
            site=_text(each["site"]),
            detail=_text(each["eventDetail"]),
        )
        for each in value["events"]
    )
    if not 1 <= len(events) <= _MOST_EVENTS:
        raise ValueError("no events, or too many")
    return PreservationEvents(events)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= _MOST_CHARACTERS:
        raise TypeError("not a text, or one too long")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise TypeError("not a number of an object")
    return value

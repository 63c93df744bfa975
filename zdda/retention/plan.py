"""Which objects may go, and why each may or may not. Pure: what is known comes in, nothing is asked.

A package goes whole or not at all: its AIP and the amendments that speak of nobody else. What packages share (a batch
with the amendment that records it, an amendment of many packages) goes with the last of those it serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from zdda.model.canonical_json import canonical_json
from zdda.model.clock import format_time
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectName
from zdda.model.retention import DisposalMark


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """One site's copy: until when it is locked, whether it is held; ``locked_until`` None: no copy is there."""

    site: str
    locked_until: datetime | None
    held: bool = False


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """One object. ``retain_until``: the latest that an authentic record says, in whatever place; ``unknown`` says what
    could not be found out (a site or a place that does not answer, a damaged record). ``leaf``: its evidence leaf."""

    name: ObjectName
    address: ContentAddress
    length: int
    generation: int
    retain_until: datetime
    copies: tuple[CopyFacts, ...]
    leaf: bytes | None = None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """A package that somebody wants to go. ``objects``: the AIP, then amendments that are its own. ``unsettled``: what
    is still on its way and has to end first."""

    package: UUID
    mark: DisposalMark
    retain_until: datetime
    objects: tuple[ObjectFacts, ...]
    held: bool = False
    unsettled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SharedFacts:
    """Objects that serve several packages or amendments and go together. ``serves``: the identifiers of those that are
    still there."""

    objects: tuple[ObjectFacts, ...]
    serves: frozenset[UUID]
    unsettled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedErasure:
    """One object that goes, and why it may. ``package``: whose it is; None for what packages share."""

    object: ObjectFacts
    package: UUID | None
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """One package that stays, with every reason."""

    package: UUID
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """``identifier`` names the plan in permits, journal and receipt; ``at``: the moment it was made for."""

    identifier: UUID
    at: datetime
    erasures: tuple[PlannedErasure, ...]
    refused: tuple[Refusal, ...] = field(default=())

    def encode(self) -> bytes:
        """Canonical JSON: what a timestamp is taken over before anything is destroyed."""
        return canonical_json(
            {
                "format": "zdda-erasure-plan/1",
                "plan": str(self.identifier),
                "at": format_time(self.at),
                "erasures": [
                    {
                        "object": each.object.name.associated_data().decode("ascii"),
                        "address": str(each.object.address),
                        "retainUntil": format_time(each.object.retain_until),
                        "package": str(each.package) if each.package else None,
                        "reason": each.reason,
                    }
                    for each in self.erasures
                ],
            }
        )


def plan_erasures(
    identifier: UUID, now: datetime, packages: Sequence[PackageFacts], shared: Iterable[SharedFacts] = ()
) -> ErasurePlan:
    """``now``: the earliest moment that any clock said."""
    erasures: list[PlannedErasure] = []
    refused: list[Refusal] = []
    gone: set[UUID] = set()
    for package in packages:
        reasons = _against_package(package, now)
        if reasons:
            refused.append(Refusal(package.package, reasons))
            continue
        erasures += [PlannedErasure(each, package.package, _reason(each)) for each in package.objects]
        gone |= {each.name.package for each in package.objects}
    waiting = list(shared)
    while due := [each for each in waiting if _shared_is_due(each, gone, now)]:
        for group in due:
            erasures += [
                PlannedErasure(each, None, f"the last that it served goes; {_reason(each)}") for each in group.objects
            ]
            gone |= {each.name.package for each in group.objects}
        waiting = [each for each in waiting if each not in due]
    return ErasurePlan(identifier, now, tuple(erasures), tuple(refused))


def _against_package(package: PackageFacts, now: datetime) -> tuple[str, ...]:
    found = list(package.unsettled)
    if package.mark is DisposalMark.A:
        found.append("mark A: it is handed over to a public archive, not destroyed")
    if package.held:
        found.append("it is under legal hold")
    if package.retain_until > now:
        found.append(f"the package is kept until {format_time(package.retain_until)}")
    if not package.objects:
        found.append("nothing is known of its objects")
    for each in package.objects:
        found += against_object(each, now)
    return tuple(found)


def against_object(each: ObjectFacts, now: datetime) -> list[str]:
    """Every reason to keep an object."""
    name = f"{each.name.kind} {each.name.package}"
    found = [f"{name}: {reason}" for reason in each.unknown]
    if each.retain_until > now:
        found.append(f"{name}: its record keeps it until {format_time(each.retain_until)}")
    for copy in each.copies:
        if copy.held:
            found.append(f"{name}: site {copy.site} holds it")
        if copy.locked_until is not None and copy.locked_until > now:
            found.append(f"{name}: site {copy.site} locks it until {format_time(copy.locked_until)}")
    return found


def _shared_is_due(group: SharedFacts, gone: Set[UUID], now: datetime) -> bool:
    return (
        bool(group.objects)
        and not group.unsettled
        and group.serves <= gone
        and not any(against_object(each, now) for each in group.objects)
    )


def _reason(each: ObjectFacts) -> str:
    locks: Mapping[str, datetime | None] = {copy.site: copy.locked_until for copy in each.copies}
    told = ", ".join(
        f"{site}: " + (format_time(until) if until else "no copy") for site, until in sorted(locks.items())
    )
    return f"kept until {format_time(each.retain_until)}, which is over; locks that are over: {told}; no hold"

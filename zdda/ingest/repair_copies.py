"""Rows of copies brought level with what ``fsck`` found at the sites; replication and scrubbing do what they say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from zdda.catalog.object_copies import CopyState, insert_copies, move_copy
from zdda.catalog.tables import deposits, objects
from zdda.database.session import Transaction
from zdda.ingest.levelling import placement_of
from zdda.ingest.repair_records import copy_states, on_its_way_out
from zdda.ingest.repair_report import Did, Item, identifier_of
from zdda.model.identifiers import TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import Placed, Placement, strictest

Line = Mapping[str, Any]
OBJECT_MISSING, RECORD_MISSING, LOCK_TOO_SHORT = "object-missing", "record-missing", "lock-too-short"
_BYTES_GONE = ("object-digest", "object-second-digest", "object-length", "object-unreadable")
_LOCK_ALONE = (LOCK_TOO_SHORT, "record-older-than-lock")
_TAKEN_CARE_OF = {OBJECT_MISSING, "copy-missing", RECORD_MISSING, LOCK_TOO_SHORT, *_BYTES_GONE}
"""Findings on objects of the catalog that rows of copies, or items of what is lost, tell of."""


@dataclass(frozen=True, slots=True)
class Sites:
    """``names`` in the order of the settings; ``placements`` by retention class."""

    names: Sequence[str]
    placements: Mapping[str, Placement]


class Found:
    """What ``fsck`` found of the objects, which it has read at every site. Memory grows with their number."""

    def __init__(self, tenant: TenantId, lines: Iterable[Line]) -> None:
        self._sites: dict[ObjectName, Sequence[str]] = {}
        self._codes: dict[ObjectName, list[tuple[str, str | None]]] = {}
        self.findings: list[Line] = []
        for line in lines:
            if line["type"] == "object":
                self._sites[_name(tenant, line)] = line["sites"]
            elif line["type"] == "finding":
                self.findings.append(line)
                if line["kind"] is not None and line["sequence"] is not None:
                    self._codes.setdefault(_name(tenant, line), []).append((line["code"], line["where"]))

    def defects(self, name: ObjectName, sites: Sequence[str]) -> dict[str, str | None] | None:
        """What is wrong with an object's copy at each site, None where it is whole or its lock is too long; None for
        an object that no record tells of."""
        whole = self._sites.get(name)
        if whole is None:
            return None
        codes = self._codes.get(name, [])
        found: dict[str, str | None] = {}
        for site in sites:
            here = {code for code, where in codes if where is None or where == site}
            damage = next((code for code in (*_BYTES_GONE, *_LOCK_ALONE) if code in here), OBJECT_MISSING)
            found[site] = None if site in whole or damage == _LOCK_ALONE[1] else damage
        return found

    def left(self, tenant: TenantId, listed: Collection[ObjectName]) -> Iterator[Item]:
        """Findings that rows of copies do not take care of. ``listed``: the objects of the catalog."""
        for line in self.findings:
            known = line["kind"] is not None and line["sequence"] is not None and _name(tenant, line) in listed
            if line["severity"] == "pending" or (known and line["code"] in _TAKEN_CARE_OF):
                continue
            named = [str(line[member]) for member in ("package", "kind", "sequence") if line[member] is not None]
            yield Item(Did.LEFT, "finding", "/".join(named), line["where"], line["code"])


def level_copies(tx: Transaction, sites: Sites, found: Found, now: datetime) -> Iterator[Item]:
    """What was noted, which objects of the catalog are lost, and which findings are left."""
    states, wanted = copy_states(tx), _Wanted(tx, sites)
    columns = objects.c
    rows = tx.execute(
        select(columns.package_id, columns.kind, columns.sequence)
        .where(columns.tenant_id == tx.tenant)
        .order_by(columns.package_id, columns.kind, columns.sequence)
    )
    listed = [ObjectName(tx.tenant, package, ObjectKind(kind), sequence) for package, kind, sequence in rows]
    for name in listed:
        known = states.get(name, {})
        if on_its_way_out(known):
            continue
        defects = found.defects(name, sites.names)
        if defects is None or all(each in (OBJECT_MISSING, *_BYTES_GONE) for each in defects.values()):
            yield from _lost(tx, name, known, defects, now)
        else:
            yield from _level(tx, name, known, defects, wanted.sites_of(name), now)
    yield from found.left(tx.tenant, set(listed))


def _lost(
    tx: Transaction,
    name: ObjectName,
    known: Mapping[str, CopyState],
    defects: Mapping[str, str | None] | None,
    now: datetime,
) -> Iterator[Item]:
    """The catalog's row stays: it tells what is lost, and scrubbing looks whether it has come back."""
    why = RECORD_MISSING
    for site, state in sorted(known.items()):
        why = RECORD_MISSING if defects is None else defects.get(site) or OBJECT_MISSING
        if state is CopyState.PRESENT and move_copy(tx, site, name, state, CopyState.DAMAGED, now, why):
            yield Item(Did.COPY_DAMAGED, "object", identifier_of(name), site, why)
    yield Item(Did.LOST, "object", identifier_of(name), None, RECORD_MISSING if defects is None else why)


def _level(
    tx: Transaction,
    name: ObjectName,
    known: Mapping[str, CopyState],
    defects: Mapping[str, str | None],
    wanted: Collection[str],
    now: datetime,
) -> Iterator[Item]:
    """A copy that is called damaged stays so, whole or not: scrubbing looks again, and tells the package's chain."""
    for site, defect in defects.items():
        before = known.get(site)
        after: CopyState | None = before
        if defect is None:
            after = CopyState.PRESENT if before in (None, CopyState.MISSING) else before
        elif before is None and defect == OBJECT_MISSING:
            after = CopyState.MISSING if site in wanted else None
        elif before in (None, CopyState.PRESENT):
            after = CopyState.MISSING if defect == OBJECT_MISSING else CopyState.DAMAGED
        if after is before or after is None:
            continue
        if before is None:
            placed = Placed((), (site,)) if after is CopyState.MISSING else Placed((site,))
            insert_copies(tx, [(name.package, name.kind.value, name.sequence, placed)], now)
            before = CopyState.PRESENT
        if after is CopyState.DAMAGED or site in known:
            move_copy(tx, site, name, before, after, now, defect)
        yield Item(Did(f"copy-{after}"), "object", identifier_of(name), site, defect)


class _Wanted:
    """At which sites an object has to lie, as a start judges it."""

    def __init__(self, tx: Transaction, sites: Sites) -> None:
        columns = deposits.c
        rows = tx.execute(select(columns.package_id, columns.retention_class).where(columns.tenant_id == tx.tenant))
        self._classes: dict[UUID, str] = {row.package_id: row.retention_class for row in rows}
        self._sites, self._everything = sites, strictest(sites.placements.values())

    def sites_of(self, name: ObjectName) -> tuple[str, ...]:
        retention_class = self._classes.get(name.package)
        placement = placement_of(name, retention_class, self._sites.placements, self._everything)
        return placement.among(self._sites.names)


def _name(tenant: TenantId, line: Line) -> ObjectName:
    return ObjectName(tenant, UUID(line["package"]), ObjectKind(line["kind"]), line["sequence"])

"""The settings' sites against the catalog's rows, at a start: a new site is to get what its placement says, a new place
of object records the records of what lies at its site, and no site is left out of the settings while something lies
there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog

from zdda.audit.log import record as audit
from zdda.catalog.installation import levelled_for, mark_levelled
from zdda.catalog.object_copies import (
    CopyState,
    forget_site,
    insert_copies,
    names_at,
    objects_without_copy,
    sites_known,
    states_at,
)
from zdda.ingest.workshop import Workshop
from zdda.model.canonical_json import canonical_json
from zdda.model.errors import Conflict, IntegrityError, NotFound, Unavailable
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import Placed, Placement, strictest

AT_ONCE = 1000
"""Objects of one transaction."""
_WRITERS = 8
_NOTHING_LIES_THERE = frozenset({CopyState.ERASED})
"""Not missing: its bytes and record may have been written and not yet noted."""
_log = structlog.get_logger(__name__)
CRASH_POINTS = ("levelled.some", "levelled.records-given", "levelled.all")


class SiteInUse(Conflict):
    """Objects lie at a site that the settings do not name."""

    code = "site-in-use"


def level(workshop: Workshop) -> None:
    """Notes as missing what lies nowhere yet where the settings place it, and gives sites their own records of what
    lies there. Safe to repeat, and does nothing where neither sites nor placements have changed since.

    A place of records that does not answer is tried again at the next start. Raises ``SiteInUse`` for a site that the
    settings leave out before it was drained.
    """
    sites = workshop.store.site_names
    _drop_drained(workshop, sites)
    placements = {name: each.placement for name, each in workshop.classes.items()}
    wanted = _as_text(sites, placements, workshop.store.sites_with_records)
    with workshop.database.read() as tx:
        if levelled_for(tx) == wanted:
            return
    everything = strictest(placements.values())
    noted = sum(_note_missing(workshop, site, sites, placements, everything) for site in sites)
    given = [_give_records(workshop, site) for site in workshop.store.sites_with_records]
    workshop.crash("levelled.records-given")
    with workshop.database.write() as tx:
        if all(given):
            mark_levelled(tx, wanted)
        if noted:
            audit(tx, workshop.clock.now(), "sites-levelled", sites=list(sites), missing=noted)
    workshop.crash("levelled.all")


def _drop_drained(workshop: Workshop, sites: Collection[str]) -> None:
    with workshop.database.read() as tx:
        gone = [site for site in sites_known(tx) if site not in sites]
        held = [site for site in gone if not states_at(tx, site) <= _NOTHING_LIES_THERE]
    if held:
        names = ", ".join(held)
        raise SiteInUse(f"objects lie at sites that the settings do not name ({names}): name them, or drain them first")
    if gone:
        with workshop.database.write() as tx:
            for site in gone:
                forget_site(tx, site)


def _note_missing(
    workshop: Workshop,
    site: str,
    sites: Sequence[str],
    placements: Mapping[str, Placement],
    everything: Placement,
) -> int:
    """How many objects the site has to get."""
    noted = 0
    last: ObjectName | None = None
    while True:
        with workshop.database.write() as tx:
            found = objects_without_copy(tx, site, last, AT_ONCE)
            missing = [
                name
                for name, retention_class in found
                if site in placement_of(name, retention_class, placements, everything).among(sites)
            ]
            rows = [(each.package, str(each.kind), each.sequence, Placed((), (site,))) for each in missing]
            insert_copies(tx, rows, workshop.clock.now())
        workshop.crash("levelled.some")
        noted += len(missing)
        if len(found) < AT_ONCE:
            return noted
        last = found[-1][0]


def _give_records(workshop: Workshop, site: str) -> bool:
    """Several at once: they share the place's syncs. What cannot be read anywhere is for ``fsck`` to name. False where
    the place, or every other that has a record, is away."""
    last: ObjectName | None = None

    def give(name: ObjectName) -> None:
        with suppress(NotFound, IntegrityError):
            workshop.store.give_record(site, name)

    with ThreadPoolExecutor(_WRITERS, thread_name_prefix="records") as writers:
        while True:
            with workshop.database.read() as tx:
                names = names_at(tx, site, last, AT_ONCE)
            try:
                for _ in writers.map(give, names):
                    pass
            except Unavailable as error:
                _log.error("records-not-given", site=site, reason=error.code)
                return False
            if len(names) < AT_ONCE:
                return True
            last = names[-1]


def placement_of(
    name: ObjectName, retention_class: str | None, placements: Mapping[str, Placement], everything: Placement
) -> Placement:
    """That of its class; what serves packages of any class lies where any class does."""
    if name.kind is not ObjectKind.AIP or retention_class is None:
        return everything
    return placements.get(retention_class, everything)


def _as_text(sites: Sequence[str], placements: Mapping[str, Placement], with_records: Sequence[str]) -> str:
    classes = {name: sorted(each.among(sites)) for name, each in placements.items()}
    value = {"sites": sorted(sites), "classes": classes, "records": sorted(with_records)}
    return canonical_json(value).decode("utf-8")

"""The settings' sites against the catalog's rows, at a start: a new site is to get what its placement says, and no site
is left out of the settings while something lies there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from zdda.audit.log import record as audit
from zdda.catalog.installation import levelled_for, mark_levelled
from zdda.catalog.object_copies import (
    CopyState,
    forget_site,
    insert_copies,
    objects_without_copy,
    sites_known,
    states_at,
)
from zdda.ingest.workshop import Workshop
from zdda.model.canonical_json import canonical_json
from zdda.model.errors import Conflict
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import Placed, Placement, strictest

AT_ONCE = 1000
"""Objects of one transaction."""
_NOTHING_LIES_THERE = frozenset({CopyState.MISSING, CopyState.ERASED})
CRASH_POINTS = ("levelled.some", "levelled.all")


class SiteInUse(Conflict):
    """Objects lie at a site that the settings do not name."""

    code = "site-in-use"


def level(workshop: Workshop) -> None:
    """Notes as missing what lies nowhere yet where the settings place it. Safe to repeat, and does nothing where
    neither sites nor placements have changed since.

    Raises ``SiteInUse`` for a site that the settings leave out before it was drained.
    """
    sites = workshop.store.site_names
    _drop_drained(workshop, sites)
    placements = {name: each.placement for name, each in workshop.classes.items()}
    wanted = _as_text(sites, placements)
    with workshop.database.read() as tx:
        if levelled_for(tx) == wanted:
            return
    everything = strictest(placements.values())
    noted = sum(_note_missing(workshop, site, sites, placements, everything) for site in sites)
    with workshop.database.write() as tx:
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
                if site in _placement(name, retention_class, placements, everything).among(sites)
            ]
            rows = [(each.package, str(each.kind), each.sequence, Placed((), (site,))) for each in missing]
            insert_copies(tx, rows, workshop.clock.now())
        workshop.crash("levelled.some")
        noted += len(missing)
        if len(found) < AT_ONCE:
            return noted
        last = found[-1][0]


def _placement(
    name: ObjectName, retention_class: str | None, placements: Mapping[str, Placement], everything: Placement
) -> Placement:
    """That of its class; what serves packages of any class lies where any class does."""
    if name.kind is not ObjectKind.AIP or retention_class is None:
        return everything
    return placements.get(retention_class, everything)


def _as_text(sites: Sequence[str], placements: Mapping[str, Placement]) -> str:
    classes = {name: sorted(each.among(sites)) for name, each in placements.items()}
    return canonical_json({"sites": sorted(sites), "classes": classes}).decode("utf-8")

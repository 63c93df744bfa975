"""Carries a decided disposal out, step by step; whoever repeats it goes on where it stopped.

For each object, in this order:

records    its record, and with it its data key, is overwritten in every place and then sought there in vain
copies     each site erases its copy with a permit, the spool and caches theirs; what the site said is noted

What is true when everything stops: before the first place is overwritten the object can be read; until the last one is,
it may be; from then on nobody can, whatever copies are left, and the repeated step destroys what is left. A step is
noted after it is true, so at worst it is done twice; erasing what is gone is no error.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from zdda.catalog.disposals import copies_of, copy_erased, records_destroyed
from zdda.database.session import AnyRow, TenantDatabase
from zdda.model.canonical_json import canonical_json
from zdda.model.clock import Clock, format_time
from zdda.model.errors import IntegrityError, NotFound, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectKind, ObjectName
from zdda.packaging.deletion_receipt import DestroyedCopy, copy_as_json
from zdda.retention.clocks import AgreedTime
from zdda.retention.facts import FactFinder
from zdda.retention.permits import permit
from zdda.retention.places import Everywhere
from zdda.retention.plan import against_object
from zdda.storage.blob_store import CrashPoint
from zdda.storage.erase_permit import EraseReason, EraseRefused, NotErased
from zdda.storage.site import Site

ERASE_POINTS = (
    "erasing.before-record",
    "erasing.record-destroyed",
    "erasing.records-gone",
    "erasing.records-noted",
    "erasing.copy-erased",
    "erasing.copy-noted",
)

Witness = Callable[[Site, ContentAddress, "dict[str, str]"], "dict[str, str]"]
"""Adds to a site's evidence what its own log says of the deletion."""


class Eraser:
    """One archive's. ``witness``: see ``Witness``."""

    def __init__(
        self,
        database: TenantDatabase,
        everywhere: Everywhere,
        facts: FactFinder,
        clock: Clock,
        crash: CrashPoint,
        witness: Witness = lambda _site, _address, evidence: evidence,
    ) -> None:
        self._database, self._everywhere, self._facts = database, everywhere, facts
        self._clock, self._crash, self._witness = clock, crash, witness

    def destroy_records(self, each: AnyRow, now: datetime) -> None:
        """Raises ``EraseRefused`` where a record or copy says meanwhile that the object stays, ``NotErased``,
        ``Unavailable`` while a place or a site does not answer."""
        if each.records is not None:
            return
        name = self._name(each)
        known = self._facts.object(name)
        if known is not None and known.unknown:
            raise Unavailable(f"not everything is known of the object: {'; '.join(known.unknown)}")
        if known is not None and (reasons := against_object(known, now)):
            raise EraseRefused(f"what was to be destroyed is to be kept: {'; '.join(reasons)}")
        self._crash("erasing.before-record")
        told = []
        for place in self._everywhere.places:
            place.records.destroy(name)
            self._crash("erasing.record-destroyed")
            told.append({"place": place.name, "at": format_time(self._clock.now())})
        for place in self._everywhere.places:
            try:
                place.records.read(name)
            except NotFound:
                continue
            except IntegrityError:
                pass
            raise NotErased(f"place {place.name} still has the record that it destroyed")
        self._crash("erasing.records-gone")
        with self._database.write() as tx:
            records_destroyed(tx, each, canonical_json(told))
        self._crash("erasing.records-noted")

    def erase_copies(self, each: AnyRow, time: AgreedTime, decided_by: str) -> bool:
        """Whether every site has erased its copy; a site that is away keeps its own until it is back. Raises
        ``EraseRefused``, ``NotErased``."""
        address, name, done = ContentAddress.parse(each.address), self._name(each), True
        sites = {site.name: site for site in self._everywhere.sites}
        with self._database.read() as tx:
            copies = copies_of(tx, each)
        for cache in self._everywhere.caches:
            cache.forget(address)
        for copy in copies:
            if copy.told is not None:
                continue
            site = sites.get(copy.site)
            if site is None:
                done = False
                continue
            allowed = permit(
                address,
                name,
                EraseReason.DISPOSAL,
                issued_at=time.system,
                decided_by=decided_by,
                plan=str(each.disposal_id),
                clocks=dict(time.clocks),
            )
            try:
                deletion = site.blobs.erase(address, allowed)
                evidence = self._witness(site, address, dict(deletion.evidence))
            except (Unavailable, OSError):
                done = False
                continue
            self._crash("erasing.copy-erased")
            told = DestroyedCopy(site.name, deletion.outcome, deletion.method, deletion.at, deletion.passes, evidence)
            with self._database.write() as tx:
                copy_erased(tx, each, site.name, canonical_json(copy_as_json(told)))
            self._crash("erasing.copy-noted")
        return done

    def _name(self, each: AnyRow) -> ObjectName:
        return ObjectName(self._database.tenant, each.package_id, ObjectKind(each.kind), each.sequence)

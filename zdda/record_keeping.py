"""The work in the background that reads and replaces object records: scrubbing, and moving to the newest generation.

One thread does both, one after the other: what one has read, the other may be replacing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from zdda.ingest.amending import add_preservation_events
from zdda.ingest.workshop import Workshop
from zdda.jobs.runner import Circuit, WorkSource
from zdda.packaging.preservation_events import PreservationEvent, PreservationEvents
from zdda.retention.rewrapping import Rewrapper
from zdda.retention.scrubbing import Scrubber, ScrubPlan
from zdda.settings import Settings
from zdda.storage.key_area import KeyArea
from zdda.storage.site import Site


def record_keeping(
    settings: Settings, workshop: Workshop, sites: Sequence[Site], key_areas: Sequence[KeyArea]
) -> WorkSource:
    """For one thread. ``key_areas`` are the archive's own places of object records."""
    places: dict[str, KeyArea] = {str(number): area for number, area in enumerate(key_areas)}
    places |= {site.name: site.records for site in sites if site.records is not None}
    names = [site.name for site in sites]
    rewrapper = Rewrapper(workshop.database, names, places, workshop.generations, workshop.clock, workshop.crash)
    if not settings.scrub.bytes_per_second:
        return rewrapper
    return Circuit([_scrubber(settings, workshop, sites, places), rewrapper])


def _scrubber(settings: Settings, workshop: Workshop, sites: Sequence[Site], places: Mapping[str, KeyArea]) -> Scrubber:
    def tell(package: UUID, events: Sequence[PreservationEvent]) -> None:
        add_preservation_events(workshop, package, PreservationEvents(tuple(events)))

    plan = ScrubPlan(settings.scrub.days, settings.scrub.bytes_per_second)
    database, clock = workshop.database, workshop.clock
    return Scrubber(database, sites, places, workshop.generations, clock, plan, tell, workshop.crash)

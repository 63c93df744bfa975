"""What carries out orders to move objects, and erases at the sites that they left."""

from __future__ import annotations

from collections.abc import Sequence

from zdda.ingest.workshop import Workshop
from zdda.jobs.runner import WorkSource
from zdda.model.objects import ObjectName
from zdda.retention.clocks import AgreedTime, ask_clocks
from zdda.retention.leaving import LeavingCopies
from zdda.retention.moving import Mover
from zdda.storage.object_store import ObjectStore
from zdda.storage.site import Site


def moving_work(
    workshop: Workshop, store: ObjectStore, sites: Sequence[Site], bytes_per_second: int
) -> list[WorkSource]:
    """Of one archive with several sites; one thread for each. ``bytes_per_second``: read to verify at most; 0: no
    bound."""

    def placed(_name: ObjectName, retention_class: str | None) -> tuple[str, ...]:
        classes = workshop.classes if retention_class is None else [retention_class]
        return workshop.placement(classes).among(store.site_names)

    def agreed() -> AgreedTime:
        return ask_clocks(workshop.clock, workshop.authorities.timestamp, sites, workshop.entropy(32))

    known = workshop.database, store, sites
    return [
        Mover(*known, placed, workshop.clock, workshop.crash, bytes_per_second),
        LeavingCopies(*known, agreed, workshop.clock, workshop.crash),
    ]

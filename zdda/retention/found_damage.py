"""What reading found wrong with a copy, told to the catalog: scrubbing mends it."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from zdda.audit.log import record as note
from zdda.catalog.object_copies import CopyState, copies_of, move_copy
from zdda.database.session import TenantDatabase
from zdda.model.clock import Clock
from zdda.model.errors import ZddaError
from zdda.model.objects import ObjectName
from zdda.retention.copy_check import Defect
from zdda.storage.object_store import ObjectVanished

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FoundDamage:
    """See ``zdda.storage.object_store.Damaged``."""

    database: TenantDatabase
    clock: Clock

    def __call__(self, site: str, name: ObjectName, error: ZddaError) -> bool:
        """Whether a good copy should lie there, and nobody knew yet that none does. Reading goes on whatever becomes of
        the note: without the catalog, the alarm is raised all the same."""
        problem = str(Defect.MISSING if isinstance(error, ObjectVanished) else Defect.OTHER_BYTES)
        try:
            with self.database.read() as tx:
                known = [each.state for each in copies_of(tx, name, [site])]
            if known != [CopyState.PRESENT]:
                return False
            now = self.clock.now()
            with self.database.write() as tx:
                moved = move_copy(tx, site, name, CopyState.PRESENT, CopyState.DAMAGED, now, problem)
                if moved:
                    note(tx, now, "copy-damaged", site=site, problem=problem, **name.facts())
        except ZddaError as untold:
            _log.error("damage-not-noted", site=site, reason=untold.code, **name.facts())
            return True
        if moved:
            _log.error("copy-damaged", site=site, problem=problem, **name.facts())
        return moved

"""Before a generation key is destroyed: nothing that is to be kept is under it."""

from __future__ import annotations

from collections.abc import Mapping

from zdda.catalog.object_generations import generation_use
from zdda.database.session import TenantDatabase
from zdda.model.errors import Conflict
from zdda.storage.key_area import KeyArea


class GenerationInUse(Conflict):
    """An object record is under the generation, or something on its way may be."""

    code = "generation-in-use"


def require_unused(database: TenantDatabase, places: Mapping[str, KeyArea], generation: int) -> None:
    """Reads every record in every place, and the catalog. Nothing may write meanwhile: the archive does not run.

    Raises ``GenerationInUse``, ``Unavailable`` where a place does not answer.
    """
    for place, key_area in places.items():
        used = sum(each.generation == generation for each in key_area.records() if each.name.tenant == database.tenant)
        if used:
            raise GenerationInUse(f"{used} object records in {place} are under generation {generation}")
    with database.read() as tx:
        use = generation_use(tx, generation)
    if use.objects:
        raise GenerationInUse(f"the catalog lists {use.objects} objects under generation {generation}")
    if use.on_their_way:
        raise GenerationInUse(f"{use.on_their_way} deposits, batches or amendments are on their way")

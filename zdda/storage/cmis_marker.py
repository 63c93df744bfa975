"""``zdda-store.json`` in a folder of a repository: whose store it is."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from zdda.storage.blob_store import WrongStore
from zdda.storage.cmis_client import NameTaken, NotThere, Upload
from zdda.storage.cmis_repository import CmisRepository
from zdda.storage.store_errors import StoreRefuses
from zdda.storage.store_marker import ABSENT, NAME, marker, problem_of

_MOST_BYTES = 1024 * 1024


def claim(repository: CmisRepository, folder: str, archive: str, tenants: Iterable[str]) -> None:
    """Marks a folder as this archive's, or checks that it is; raises ``WrongStore``."""
    path, wanted = f"{folder.rstrip('/')}/{NAME}", sorted(set(tenants))
    try:
        if repository.at(path) is None:
            data = marker(archive, wanted)
            repository.make_folder(folder)
            with suppress(NameTaken):  # another process marked it meanwhile
                repository.create(folder, Upload(NAME, len(data), (data,)))
    except NotThere as error:
        raise StoreRefuses("the folder of the repository cannot be made") from error
    problem = problem_in(repository, folder, archive, wanted)
    if problem is not None:
        raise WrongStore(problem)


def problem_in(repository: CmisRepository, folder: str, archive: str, tenants: Iterable[str]) -> str | None:
    """What is wrong with the marker; None where the store is this archive's. Writes nothing."""
    found = repository.at(f"{folder.rstrip('/')}/{NAME}")
    if found is None:
        return ABSENT
    try:
        data = repository.read(found.identifier, 0, _MOST_BYTES)
    except NotThere:
        return ABSENT
    return problem_of(data, archive, tenants)

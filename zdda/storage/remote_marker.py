"""``zdda-store.json`` in a folder of another system: whose store it is."""

from __future__ import annotations

from collections.abc import Iterable

from zdda.storage.blob_store import WrongStore
from zdda.storage.remote_files import RemoteFiles
from zdda.storage.store_errors import WriteNotKept
from zdda.storage.store_marker import ABSENT, NAME, marker, problem_of

_MOST_BYTES = 1024 * 1024


def claim(files: RemoteFiles, folder: str, archive: str, tenants: Iterable[str], token: str) -> None:
    """Marks a folder as this archive's, or checks that it is; raises ``WrongStore``. ``token``: names what is written
    first, so that two who claim at once do not meet."""
    path, wanted = f"{folder.rstrip('/')}/{NAME}", sorted(set(tenants))
    if files.length(path) is None:
        files.make_folder(folder)
        temporary = f"{path}.{token}"
        try:
            files.write(temporary, (marker(archive, wanted),))
            files.rename(temporary, path)
        except FileExistsError:
            files.remove(temporary)
        except FileNotFoundError as error:
            raise WriteNotKept("what was just written is not there") from error
    problem = problem_in(files, folder, archive, wanted)
    if problem is not None:
        raise WrongStore(problem)


def problem_in(files: RemoteFiles, folder: str, archive: str, tenants: Iterable[str]) -> str | None:
    """What is wrong with the marker; None where the store is this archive's. Writes nothing."""
    try:
        data = files.read(f"{folder.rstrip('/')}/{NAME}", 0, _MOST_BYTES)
    except FileNotFoundError:
        return ABSENT
    return problem_of(data, archive, tenants)

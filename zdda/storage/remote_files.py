"""Files of a second-tier store, as any file system of fsspec gives them: one connection, one thread at a time.

Every method raises ``FileNotFoundError`` and ``FileExistsError`` where they say so, and else the archive's errors of a
store. What a store answers is bounded: names by number and length, reads by what was asked for.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from zdda.model.errors import ZddaError
from zdda.storage.store_errors import StoreFull, StoreRefuses, StoreUnreachable

MOST_NAMES = 1_000_000
"""Of one folder. A leaf folder of a store of a billion objects has about 15,000."""
_MAKING = 3
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class RemoteFiles(Protocol):
    """See the module. Paths are absolute, with slashes."""

    def alive(self) -> bool:
        """Whether the connection stands, as far as this side knows."""
        ...

    def close(self) -> None:
        """Ends the connection; never raises."""
        ...

    def names(self, folder: str) -> dict[str, int | None]:
        """Names in a folder with the length of each file, None for what is no file; empty where there is no such
        folder."""
        ...

    def length(self, path: str) -> int | None:
        """Of a file; None where there is none."""
        ...

    def read(self, path: str, start: int, size: int) -> bytes:
        """At most so many bytes from ``start``; raises ``FileNotFoundError``."""
        ...

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """A new file, durable as far as the store can tell; raises ``FileExistsError``, and what ``chunks`` raises."""
        ...

    def rename(self, path: str, new: str) -> None:
        """Raises ``FileExistsError`` where ``new`` is there, ``FileNotFoundError``."""
        ...

    def replace(self, path: str, new: str) -> None:
        """Renames over what is there, at once; raises ``FileNotFoundError``."""
        ...

    def make_folder(self, path: str) -> None:
        """With its parents; one that is there is no error."""
        ...

    def remove(self, path: str) -> None:
        """A file; one that is not there is no error."""
        ...

    def modified(self, path: str) -> datetime:
        """By the store's clock, to the second; raises ``FileNotFoundError``."""
        ...


class FsspecFiles:
    """See ``RemoteFiles``; over any file system of fsspec. Where the protocol below has no rename that refuses an
    existing name, ``rename`` looks first: only one process may write there then."""

    lost: tuple[type[Exception], ...] = (EOFError, TimeoutError, ConnectionError)
    """Exceptions that mean that the connection is gone."""

    def __init__(self, system: Any) -> None:
        self._system = system

    def alive(self) -> bool:
        return True

    def close(self) -> None:
        return

    def names(self, folder: str) -> dict[str, int | None]:
        found: dict[str, int | None] = {}
        with self._asked():
            try:
                for entry in self._listing(folder):
                    name = str(entry["name"]).rsplit("/", 1)[-1]
                    found[name] = int(entry["size"] or 0) if entry["type"] == "file" else None
                    if len(found) > MOST_NAMES:
                        raise StoreUnreachable("a folder of the store has more names than can be")
            except FileNotFoundError:
                return {}
        return found

    def length(self, path: str) -> int | None:
        with self._asked():
            try:
                entry = self._system.info(path)
            except FileNotFoundError:
                return None
        return int(entry["size"]) if entry["type"] == "file" else None

    def read(self, path: str, start: int, size: int) -> bytes:
        with self._asked():
            return self._read(path, start, size)

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        with self._asked():
            if self._system.exists(path):
                raise FileExistsError(path)
            with self._system.open(path, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)

    def rename(self, path: str, new: str) -> None:
        with self._asked():
            if self._system.exists(new):
                raise FileExistsError(new)
            self._system.mv(path, new)

    def replace(self, path: str, new: str) -> None:
        with self._asked():
            self._system.mv(path, new)

    def make_folder(self, path: str) -> None:
        for attempt in range(1, _MAKING + 1):
            try:
                with self._asked():
                    self._system.makedirs(path, exist_ok=True)
            except (FileNotFoundError, FileExistsError, StoreRefuses) as error:  # or another process made it meanwhile
                if attempt == _MAKING:
                    raise StoreRefuses("a folder of the store cannot be made") from error
            else:
                return

    def remove(self, path: str) -> None:
        with self._asked():
            try:
                self._system.rm_file(path)
            except FileNotFoundError:
                return

    def modified(self, path: str) -> datetime:
        with self._asked():
            moment: datetime = self._system.modified(path)
        return moment.astimezone(UTC).replace(microsecond=0)

    def _listing(self, folder: str) -> Iterable[dict[str, Any]]:
        listed: list[dict[str, Any]] = self._system.ls(folder, detail=True, refresh=True)
        return listed

    def _read(self, path: str, start: int, size: int) -> bytes:
        with self._system.open(path, "rb", cache_type="none") as file:
            file.seek(start)
            data: bytes = file.read(size)
        return data

    @contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except (ZddaError, FileNotFoundError, FileExistsError):
            raise
        except Exception as error:
            if not isinstance(error, (OSError, *self.lost)):
                raise
            raise self._meaning(error) from error

    def _meaning(self, error: Exception) -> ZddaError:
        if isinstance(error, self.lost) or not self.alive():
            return StoreUnreachable("the store does not answer, or its answer breaks off")
        number = getattr(error, "errno", None)
        if number in _FULL:
            return StoreFull("the store has no room")
        if number in (errno.EACCES, errno.EPERM):
            return StoreRefuses("the store refuses: rights")
        return StoreRefuses(f"the store refuses ({type(error).__name__})")

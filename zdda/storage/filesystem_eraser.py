"""Erasing a file of a store: out of ``objects/`` first, then overwritten, emptied, renamed, unlinked.

What is true when everything stops: until the move is durable the object lies whole under its address; from then on
it cannot be opened as an object, and lies in ``erasing/`` under the digits of its address until it is overwritten and
empty; a repeated erasure goes on from there with all passes. An emptied file that has lost that name is swept when the
store is opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from zdda.model.clock import Entropy, system_entropy
from zdda.storage.blob_store import CrashPoint
from zdda.storage.durable_files import make_folder, set_immutable
from zdda.storage.kernel_witness import witnessed
from zdda.storage.overwriting import overwrite

ERASE_POINTS = (
    "erase.before-move",
    "erase.moved",
    "erase.move-durable",
    "erase.overwritten-zeros",
    "erase.overwritten-ones",
    "erase.overwritten-random",
    "erase.emptied",
    "erase.renamed",
    "erase.unlinked",
    "erase.name-gone",
)
METHOD = "overwritten-in-place"
_NAMELESS = "gone-"


@dataclass(frozen=True, slots=True)
class Syncs:
    """How the store makes a file and the names in a folder durable; a failure stops the store."""

    file: Callable[[int], None]
    names: Callable[[Path], None]


class FilesystemEraser:
    """Erases files by moving them into ``folder``, which lies on the file system of the objects. Not thread-safe for
    one address: the store lets one in at a time."""

    def __init__(
        self, folder: Path, syncs: Syncs, crash: CrashPoint, passes: int = 3, entropy: Entropy = system_entropy
    ) -> None:
        self._folder, self._syncs, self._crash, self._passes, self._entropy = folder, syncs, crash, passes, entropy
        make_folder(folder)
        for left in folder.glob(f"{_NAMELESS}*"):
            left.unlink()

    def unfinished(self) -> Iterator[Path]:
        """Files that an erasure began with and did not end with."""
        return iter(sorted(self._folder.iterdir()))

    def erase(self, path: Path) -> tuple[tuple[str, ...], dict[str, str]] | None:
        """Erases the file, and what an earlier erasure left of it; (passes, what the file system said of it), or None
        where neither was there. Raises ``OSError``."""
        aside = self._folder / path.name
        with witnessed([folder for folder in (path.parent, self._folder) if folder.is_dir()]) as witness:
            done = self._erase(path, aside)
            if done is None or witness is None:
                return done
            passes, evidence = done
            names = {path.name, evidence["last name"]}
            told = [each for each in witness.reports() if each.split(" ", 2)[1] in names]
            return passes, evidence | {witness.means: "; ".join(told)}

    def _erase(self, path: Path, aside: Path) -> tuple[tuple[str, ...], dict[str, str]] | None:
        done = self._destroy(aside) if aside.exists() else None
        if not path.exists():
            return done
        set_immutable(path, immutable=False)
        self._crash("erase.before-move")
        path.rename(aside)
        self._crash("erase.moved")
        self._syncs.names(self._folder)
        self._syncs.names(path.parent)
        self._crash("erase.move-durable")
        return self._destroy(aside)

    def _destroy(self, aside: Path) -> tuple[tuple[str, ...], dict[str, str]]:
        set_immutable(aside, immutable=False)
        aside.chmod(0o600)
        status = aside.stat()
        done = overwrite(
            aside, self._passes, self._entropy, self._syncs.file, lambda name: self._crash(f"erase.overwritten-{name}")
        )
        descriptor = os.open(aside, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, 0)
            self._syncs.file(descriptor)
        finally:
            os.close(descriptor)
        self._crash("erase.emptied")
        nameless = self._folder / f"{_NAMELESS}{self._entropy(8).hex()}"
        aside.rename(nameless)
        self._crash("erase.renamed")
        nameless.unlink()
        self._crash("erase.unlinked")
        self._syncs.names(self._folder)
        self._crash("erase.name-gone")
        return done, {
            "device": str(status.st_dev),
            "inode": str(status.st_ino),
            "length": str(status.st_size),
            "last name": nameless.name,
        }

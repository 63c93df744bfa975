"""The store in a folder against bare files of the same bytes, in one run. ``python -m benchmarks files``."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

from benchmarks.storage import CLIENTS, ROUNDS, Door, rate_of
from zdda.storage.filesystem_blobs import FilesystemBlobs

LEAST_PUT = 0.6
_OBJECTS = 320


class _Bare:
    """What the least durable write is: write, sync, link to its name, sync the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "bare"
        self._folder.mkdir()

    def put(self, one: tuple[str, bytes]) -> None:
        temporary = self._folder / f".{one[0]}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        os.write(descriptor, one[1])
        os.fsync(descriptor)
        os.close(descriptor)
        os.link(temporary, self._folder / one[0])
        temporary.unlink()
        named = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(named)
        os.close(named)


def files(folder: Path) -> bool:
    """Puts of 100 KB by 16 writers, object records in two places among them, against bare files."""
    blobs = FilesystemBlobs(folder / "store", immutable=False)
    door, bare = Door(folder, blobs), _Bare(folder)
    rates: list[tuple[float, float]] = []
    for number in range(ROUNDS + 1):
        ours = [door.sealed(number * _OBJECTS + each + 1) for each in range(_OBJECTS)]
        theirs = [(f"{number}-{each}", one[1]) for each, one in enumerate(ours)]
        rates.append((rate_of(door.put, ours, CLIENTS), rate_of(bare.put, theirs, CLIENTS)))
    del rates[0]  # it has warmed up
    ratio = statistics.median(ours / bare for ours, bare in rates)
    put, plain = (statistics.median(each) for each in zip(*rates, strict=True))
    print(f"files put: {put:.1f}/s, bare {plain:.1f}/s, median ratio {ratio:.2f}")
    blobs.close()
    return ratio >= LEAST_PUT

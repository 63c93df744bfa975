"""The RADOS Gateway's log of operations: its own record that a version was deleted.

RGW writes a JSON object for each request (``rgw enable ops log``, ``rgw ops log file path``); ``trans_id`` is what it
answered as the request's identifier. The file is written by the gateway, perhaps shipped from its machine; whoever runs
the gateway keeps it. Here it is only read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

from zdda.model.canonical_json import canonical_text

LOOKED_AT = 32 * 1024 * 1024
"""Bytes at the end of the log that are read: a deletion is looked for right after it."""
KEPT = ("time", "operation", "uri", "bucket", "http_status", "user", "remote_addr", "trans_id")
"""Members of an entry that are quoted; others name the client's software and its key."""
_MOST = 64 * 1024
_PAUSE = 0.1


class OperationsLog:
    """``patience``: seconds that an entry may take to come."""

    def __init__(self, path: Path, patience: float = 5.0) -> None:
        self._path, self._patience = path, patience

    def entries(self, requests: Iterable[str]) -> dict[str, str]:
        """The entry of each request, by its identifier, as JSON of what is ``KEPT``, without those that have not come.
        A log that cannot be read has none."""
        wanted = {each for each in requests if each}
        until = time.monotonic() + self._patience
        while True:
            found = self._found(wanted)
            if len(found) == len(wanted) or time.monotonic() >= until:
                return found
            time.sleep(_PAUSE)

    def _found(self, wanted: set[str]) -> dict[str, str]:
        try:
            with self._path.open("rb") as log:
                length = log.seek(0, 2)
                log.seek(max(0, length - LOOKED_AT))
                lines = log.read(LOOKED_AT).splitlines()
        except OSError:
            return {}
        entries = [_entry(line) for line in lines if any(each.encode() in line for each in wanted)]
        return {each["trans_id"]: canonical_text(each) for each in entries if each.get("trans_id") in wanted}


def _entry(line: bytes) -> dict[str, str]:
    try:
        entry = json.loads(line.rstrip(b",")) if len(line) <= _MOST else None
    except (ValueError, RecursionError):
        return {}
    return {name: str(entry[name]) for name in KEPT if name in entry} if isinstance(entry, dict) else {}

"""An object of an S3 store as a seekable stream: ranged GETs, each read whole and counted before a byte is given."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from zdda.storage.s3_errors import StoreUnreachable, translated
from zdda.storage.window_reader import WindowReader

_PAUSE = 0.1
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class Window:
    """Bytes from ``start`` of an object of ``total`` bytes, with the answer's headers."""

    start: int
    data: bytes
    total: int
    answer: Mapping[str, Any]


def fetch(client: Any, which: Mapping[str, str], start: int, size: int, attempts: int) -> Window:
    """At most ``size`` bytes from ``start`` (which lies within the object, or is 0), never fewer than there are.

    An answer that breaks off is asked for again, ``attempts`` times in all. Raises the client's ``ClientError``,
    ``StoreUnreachable``.
    """
    for attempt in range(1, attempts + 1):
        answer = _get(client, which, start, size)
        try:
            with closing(answer["Body"]) as body:  # as its own context manager it would give what urllib3 raises
                total, due = _extent(answer, start, size)
                data = body.read(due)
            if len(data) == due:
                return Window(start, data, total, answer)
        except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
            pass
        if attempt < attempts:
            time.sleep(_PAUSE * 2**attempt)
    raise StoreUnreachable("the store's answer breaks off")


def _get(client: Any, which: Mapping[str, str], start: int, size: int) -> dict[str, Any]:
    try:
        return dict(client.get_object(**which, Range=f"bytes={start}-{start + size - 1}"))
    except ClientError as error:
        if start or error.response["ResponseMetadata"]["HTTPStatusCode"] != 416:
            raise
        return dict(client.get_object(**which))  # an empty object has no first byte


def _extent(answer: Mapping[str, Any], start: int, size: int) -> tuple[int, int]:
    """(bytes of the object, bytes due now)."""
    stated = answer.get("ContentRange")
    if stated is None:
        total = int(answer["ContentLength"])
        if start:
            raise StoreUnreachable("the store does not answer ranges")
        return total, min(size, total)
    found = _CONTENT_RANGE.fullmatch(stated)
    if found is None or int(found[1]) != start:
        raise StoreUnreachable("the store answers another range")
    total = int(found[3])
    return total, min(size, total - start)


def reader_from(client: Any, which: Mapping[str, str], first: Window, attempts: int) -> WindowReader:
    """One version of an object, from its first window on. Reading raises ``StoreUnreachable`` and the archive's other
    errors of a store."""

    def further(start: int, size: int) -> bytes:
        with translated():
            window = fetch(client, which, start, size, attempts)
        if window.total != first.total:
            raise StoreUnreachable("the object's length changes while it is read")
        return window.data

    return WindowReader(further, first.total, first.data)

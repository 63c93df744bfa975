"""The process that touches hostile bytes: reads calls from standard input, answers on standard output, one at a time.

Run as ``python -m zdda.jobs.worker ADDRESS_SPACE MODULE…``. It gives itself limits before it reads the first
call, and dies with its parent. Frames are four bytes of length, big-endian, then JSON.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.errors import ZddaError

_PR_SET_PDEATHSIG = 1
MAX_FRAME = 64 * 1024 * 1024


def read_frame(stream: BinaryIO, limit: int = MAX_FRAME) -> Any | None:
    """The next frame's value; None at the end. Raises ``ValueError`` for what is over the limit or cut short."""
    head = stream.read(4)
    if not head:
        return None
    length = int.from_bytes(head)
    if len(head) != 4 or length > limit:
        raise ValueError("not a frame")
    body = stream.read(length)
    if len(body) != length:
        raise ValueError("a frame ends too early")
    return parse_json(body, limit)


def encode_frame(value: object) -> bytes:
    """One frame."""
    body = canonical_json(value)
    return len(body).to_bytes(4) + body


def settle_collector() -> None:
    """What the modules brought stays: the collector need not look at it again with every document. A document makes
    objects by the ten thousand, nearly all of which go with their last reference: it looks less often, too."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def main() -> None:
    """Serves calls until standard input ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is not an answer
    for module in sys.argv[2:]:
        importlib.import_module(module)
    settle_collector()
    space = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    while (call := read_frame(sys.stdin.buffer)) is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        budget = int(used.ru_utime + used.ru_stime) + int(call["cpu_seconds"]) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (budget, resource.RLIM_INFINITY))
        answers.write(encode_frame(_answer(call)))
        answers.flush()


def _answer(call: dict[str, Any]) -> dict[str, object]:
    try:
        return {"result": _function(call["function"])(*call["arguments"])}
    except ZddaError as error:
        return {"error": error.code, "message": str(error)}
    except MemoryError:
        return {"internal": "MemoryError"}
    except Exception as error:  # noqa: BLE001 - the type alone goes back: a message may quote the document
        return {"internal": type(error).__name__}


def _function(name: str) -> Callable[..., object]:
    module, _, attribute = name.partition(":")
    if not module.startswith("zdda."):
        raise ValueError("a worker calls the archive's own functions only")
    function: Callable[..., object] = getattr(importlib.import_module(module), attribute)
    return function


if __name__ == "__main__":
    main()

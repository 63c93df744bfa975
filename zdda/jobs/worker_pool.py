"""A pool of worker processes that are killed and replaced when hostile bytes get the better of them."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from zdda.jobs.worker import encode_frame
from zdda.model.canonical_json import parse_json
from zdda.model.errors import Unavailable, ZddaError

_MIB = 1024 * 1024
_ENVIRONMENT = {"LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
"""All that a worker knows of its surroundings: no passwords, no addresses."""
_SPENT = frozenset({"MemoryError", "OSError"})
"""Internal errors after which a worker may have no memory or no descriptors left: another takes its place."""


class WorkerFailed(ZddaError):
    """The worker gave no answer: ``details['reason']`` is timeout, crashed, oversized or internal."""

    code = "worker-failed"


class WorkerRefused(ZddaError):
    """The function called raised an error of the archive; ``details['code']`` is that error's code."""

    code = "worker-refused"


class PoolClosed(Unavailable):
    """The pool was closed while a call waited for a worker."""

    code = "worker-pool-closed"


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one call may use. Seconds; bytes."""

    cpu_seconds: int = 60
    wall_seconds: float = 120.0
    address_space: int = 2048 * _MIB
    result_bytes: int = 32 * _MIB
    calls: int = 500


class WorkerPool:
    """``size`` processes, started when first needed, each serving one call at a time. Thread-safe."""

    def __init__(self, size: int, limits: WorkerLimits, modules: tuple[str, ...] = ()) -> None:
        self._size, self._limits, self._modules = size, limits, modules
        self._free: deque[_Worker] = deque()
        self._places = threading.Semaphore(size)
        self._lock = threading.Lock()
        self._closed = False
        # a worker dies with the thread that started it: they all have one parent, which lives as long as the pool
        self._parent = ThreadPoolExecutor(1, "worker-parent")

    def call(self, function: str, *arguments: object) -> Any:
        """Calls ``module:function`` with JSON values in a worker and returns its JSON result.

        Raises ``WorkerFailed`` when the worker had to be killed or died, ``WorkerRefused`` when the function
        raised a ``ZddaError``, ``PoolClosed`` after ``close``.
        """
        with self._places:
            worker = self._take()
            keep = False
            try:
                answer = worker.call(function, arguments)
                keep = worker.calls < self._limits.calls and answer.get("internal") not in _SPENT
            finally:
                if keep and not self._closed:
                    with self._lock:
                        self._free.append(worker)
                else:
                    worker.kill()
        if "error" in answer:
            raise WorkerRefused(str(answer.get("message", "")), code=answer["error"])
        if "internal" in answer:
            raise WorkerFailed(f"the worker met an internal error: {answer['internal']}", reason="internal")
        return answer["result"]

    def answers(self) -> bool:
        """Whether a worker can be had and does its job."""
        try:
            return bool(self.call("zdda.jobs.worker_pool:_ping") == "pong")
        except ZddaError:
            return False

    def close(self) -> None:
        """Waits until running calls have ended by themselves, then kills every worker."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for _ in range(self._size):  # whoever waits for a place meanwhile gets it and finds the pool closed
            self._places.acquire()
        while self._free:
            self._free.pop().kill()
        self._places.release(self._size)
        self._parent.shutdown()

    def _take(self) -> _Worker:
        if self._closed:
            raise PoolClosed("the worker pool is closed")
        with self._lock:
            while self._free:
                worker = self._free.pop()
                if worker.alive():
                    return worker
                worker.kill()
        return self._parent.submit(_Worker, self._limits, self._modules).result()


def _ping() -> str:
    return "pong"


class _Worker:
    def __init__(self, limits: WorkerLimits, modules: tuple[str, ...]) -> None:
        self._limits = limits
        self.calls = 0
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "zdda.jobs.worker", str(limits.address_space), *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a parser's complaint may quote the document
            env=_ENVIRONMENT,
            start_new_session=True,
        )
        os.set_blocking(cast(BinaryIO, self._process.stdin).fileno(), False)

    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, function: str, arguments: tuple[object, ...]) -> dict[str, Any]:
        self.calls += 1
        deadline = time.monotonic() + self._limits.wall_seconds
        call = {"function": function, "arguments": list(arguments), "cpu_seconds": self._limits.cpu_seconds}
        self._write(encode_frame(call), deadline)
        length = int.from_bytes(self._read(4, deadline))
        if length > self._limits.result_bytes:
            raise WorkerFailed("the worker's answer is too large", reason="oversized")
        try:
            answer = parse_json(self._read(length, deadline))
        except ValueError as error:
            raise WorkerFailed("the worker's answer is not JSON", reason="crashed") from error
        if not isinstance(answer, dict) or not {"result", "error", "internal"} & answer.keys():
            raise WorkerFailed("the worker's answer has no known form", reason="crashed")
        return answer

    def kill(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        self._process.wait()

    def _write(self, data: bytes, deadline: float) -> None:
        descriptor, view = cast(BinaryIO, self._process.stdin).fileno(), memoryview(data)
        while view:
            self._await(descriptor, select.POLLOUT, deadline)
            try:
                view = view[os.write(descriptor, view) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise WorkerFailed("the worker is gone", reason="crashed") from error

    def _read(self, length: int, deadline: float) -> bytes:
        descriptor = cast(BinaryIO, self._process.stdout).fileno()
        parts, missing = [], length
        while missing:
            self._await(descriptor, select.POLLIN, deadline)
            part = os.read(descriptor, missing)
            if not part:
                raise WorkerFailed("the worker died", reason="crashed")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    @staticmethod
    def _await(descriptor: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise WorkerFailed("the worker did not answer in time", reason="timeout")

"""What was worked out once per process is remembered, the least recently used forgotten first, within a bound of bytes.

Values are immutable and keys cover everything that a value depends on: so no document can change what another sees.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ByteCache(Generic[Key, Value]):
    """A map of at most ``bytes_limit`` bytes, as its users weigh their values. Thread-safe.

    ``make`` runs outside the lock: two threads may make the same value, and either may stay. What weighs more than the
    whole bound is made and not kept; what raises is not kept either. None is no value.
    """

    def __init__(self, bytes_limit: int) -> None:
        self._limit = bytes_limit
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def get(self, key: Key, make: Callable[[], Value], weigh: Callable[[Value], int]) -> Value:
        """The value kept under ``key``, or a new one. ``weigh`` gives its bytes, the key's among them."""
        held = self.find(key)
        if held is not None:
            return held
        value = make()
        weight = weigh(value)
        if weight > self._limit:
            return value
        with self._lock:
            before = self._values.pop(key, None)
            self._size += weight - (before[1] if before is not None else 0)
            self._values[key] = (value, weight)
            while self._size > self._limit:
                _, (_, dropped) = self._values.popitem(last=False)
                self._size -= dropped
        return value

    def find(self, key: Key) -> Value | None:
        """The value kept under ``key``, which counts as used; None where there is none."""
        with self._lock:
            held = self._values.get(key)
            if held is None:
                return None
            self._values.move_to_end(key)
            return held[0]

    @property
    def size(self) -> int:
        """Bytes kept, as weighed."""
        with self._lock:
            return self._size

    def __len__(self) -> int:
        with self._lock:
            return len(self._values)

    def clear(self) -> None:
        """Forgets everything; for tests and benchmarks."""
        with self._lock:
            self._values.clear()
            self._size = 0


def remembered(bytes_limit: int, times: int = 4) -> Callable[[Callable[[bytes], Value]], Callable[[bytes], Value]]:
    """A function of bytes alone whose values are kept under the very bytes, each weighed as ``times`` their length and
    a kilobyte."""

    def decorate(function: Callable[[bytes], Value]) -> Callable[[bytes], Value]:
        cache: ByteCache[bytes, tuple[Value]] = ByteCache(bytes_limit)

        @wraps(function)
        def look_up(data: bytes) -> Value:
            return cache.get(data, lambda: (function(data),), lambda _: times * len(data) + 1024)[0]

        return look_up

    return decorate

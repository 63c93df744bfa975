"""Connections to a store, each used by one thread at a time; one that broke is made anew for the next who asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from zdda.storage.store_errors import StoreBusy, StoreUnreachable


class Connection(Protocol):
    """``alive`` is asked before a connection is used again, and asks the store nothing."""

    def alive(self) -> bool: ...

    def close(self) -> None: ...


C = TypeVar("C", bound=Connection)


class ConnectionPool(Generic[C]):
    """At most ``most`` connections made with ``connect``; who finds none free waits so many ``seconds``."""

    def __init__(self, connect: Callable[[], C], most: int, seconds: float) -> None:
        self._connect, self._seconds = connect, seconds
        self._free: list[C] = []
        self._turns = threading.BoundedSemaphore(most)
        self._guard = threading.Lock()

    @contextmanager
    def borrowed(self) -> Iterator[C]:
        """One for this thread alone. After ``StoreUnreachable`` it is closed, with all that are free: what broke one
        of them broke the others. Raises ``StoreBusy``, and what connecting raises."""
        if not self._turns.acquire(timeout=self._seconds):
            raise StoreBusy("all connections to the store are in use")
        try:
            connection = self._one()
            try:
                yield connection
            except StoreUnreachable:
                connection.close()
                self.close()
                raise
            except BaseException:
                self._give_back(connection)
                raise
            self._give_back(connection)
        finally:
            self._turns.release()

    def close(self) -> None:
        """Closes those that nobody uses."""
        with self._guard:
            free, self._free = self._free, []
        for each in free:
            each.close()

    def _one(self) -> C:
        while True:
            with self._guard:
                connection = self._free.pop() if self._free else None
            if connection is None:
                return self._connect()
            if connection.alive():
                return connection
            connection.close()

    def _give_back(self, connection: C) -> None:
        if connection.alive():
            with self._guard:
                self._free.append(connection)
        else:
            connection.close()

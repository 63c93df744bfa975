"""One object read from several sites: from the one that answers first, and on from another where one gives up.

A site is asked alone for as long as nearly all of its answers take (``SiteHealth.patience``); then the next one is
asked as well, and the first whose bytes are authentic is read. Only bytes that are authentic are ever given: those of
another site go on at the same position.
"""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, Protocol

from zdda.crypto.streaming_aead import DecryptingReader
from zdda.model.errors import IntegrityError, NotFound, Unavailable, ZddaError
from zdda.storage.site_health import SiteHealth

_AT_ONCE = 16
"""Readings of one site that may be under way: a site that stands still takes no more threads than that."""

Decrypted = Callable[[], DecryptingReader]


class Source(Protocol):
    """One site as a source of one object."""

    @property
    def name(self) -> str: ...

    @property
    def health(self) -> SiteHealth: ...

    @property
    def turns(self) -> threading.Semaphore: ...

    def open(self) -> DecryptingReader:
        """Raises ``NotFound``, ``IntegrityError``, ``Unavailable``, ``OSError``."""
        ...

    def wrong(self, error: ZddaError) -> None:
        """Its copy is not there, or not what it should be: called once for a copy that was found so."""
        ...


Answer = tuple[int, "DecryptingReader | Exception"]
Take = Callable[["queue.Queue[Answer]", "float | None"], Answer]
"""Takes an answer, waiting so many seconds for it (None: until it comes); raises ``queue.Empty``."""


def turns() -> threading.Semaphore:
    """The readings of one site that may be under way at the same time."""
    return threading.Semaphore(_AT_ONCE)


def take(answers: queue.Queue[Answer], seconds: float | None) -> Answer:
    """The ``Take`` of production."""
    return answers.get(timeout=seconds)


class ReaderOverSites(io.RawIOBase, BinaryIO):
    """See ``DecryptingReader``; where reading fails at one site it goes on at the others, each tried once.

    Raises what the last of them raised: ``Unavailable`` where any did not answer, else ``IntegrityError``, else
    ``NotFound``.
    """

    def __init__(self, sources: Sequence[Source], take: Take = take) -> None:
        super().__init__()
        self._left = list(sources)
        self._take = take
        self._errors: list[Exception] = []
        self._source, self._reader = self._next()
        self.length = self._reader.length

    @property
    def site(self) -> str:
        """Where the bytes come from."""
        return self._source.name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._reader.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._reader.seek(offset, whence)

    def read(self, size: int | None = -1) -> bytes:
        while True:
            position = self._reader.tell()
            try:
                return self._reader.read(size)
            except (IntegrityError, Unavailable, OSError) as error:
                self._give_up(self._source, error)
                self._reader.close()
                self._source, self._reader = self._next()
                self._reader.seek(position)

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._reader.close()
        super().close()

    def _next(self) -> tuple[Source, DecryptingReader]:
        if len(self._left) == 1:
            source = self._left.pop()
            try:
                return source, source.open()
            except (ZddaError, OSError) as error:
                self._give_up(source, error)
        elif self._left:
            found = _Race(self._left, self._give_up, self._take).run()
            if found is not None:
                return found
        raise self._worst()

    def _give_up(self, source: Source, error: Exception) -> None:
        self._errors.append(error)
        if isinstance(error, NotFound | IntegrityError):
            source.wrong(error)
        else:
            source.health.did_not_answer()

    def _worst(self) -> Exception:
        for kind in (Unavailable, OSError, IntegrityError):
            for error in reversed(self._errors):
                if isinstance(error, kind):
                    return error
        return self._errors[-1]


class _Race:
    """Asks the sources of ``left``, taking each from it, until one gives an authentic reader; those that were merely
    slower are put back."""

    def __init__(self, left: list[Source], give_up: Callable[[Source, Exception], None], take: Take) -> None:
        self._left, self._give_up, self._take = left, give_up, take
        self._asked: list[Source] = []
        self._given_up: list[int] = []
        self._answers: queue.Queue[Answer] = queue.Queue()
        self._lock = threading.Lock()
        self._over = False

    def run(self) -> tuple[Source, DecryptingReader] | None:
        """None where no source has answered well."""
        try:
            waiting = self._ask()
            while waiting:
                patience = self._asked[-1].health.patience if self._left else None
                try:
                    number, answer = self._take(self._answers, patience)
                except queue.Empty:
                    waiting += self._ask()
                    continue
                waiting -= 1
                if isinstance(answer, DecryptingReader):
                    self._given_up.append(number)
                    self._left += [one for place, one in enumerate(self._asked) if place not in self._given_up]
                    return self._asked[number], answer
                if not isinstance(answer, ZddaError | OSError):
                    raise answer
                self._given_up.append(number)
                self._give_up(self._asked[number], answer)
                if not waiting:
                    waiting += self._ask()
            return None
        finally:
            self._end()

    def _ask(self) -> int:
        """Asks the next source, and others as long as one has no turn free; how many were asked: 1, or 0 at the end."""
        while self._left:
            last_hope = len(self._left) == 1 and not self._asked
            source = self._left.pop(0)
            if not source.turns.acquire(blocking=last_hope):
                self._give_up(source, Unavailable("too many readings of the site stand still"))
                continue
            self._asked.append(source)
            number = len(self._asked) - 1
            threading.Thread(target=self._open, args=(number, source), name="reading", daemon=True).start()
            return 1
        return 0

    def _open(self, number: int, source: Source) -> None:
        try:
            answer: DecryptingReader | Exception = source.open()
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            answer = error
        finally:
            source.turns.release()
        with self._lock:
            if not self._over:
                self._answers.put((number, answer))
            elif isinstance(answer, DecryptingReader):
                answer.close()

    def _end(self) -> None:
        """Closes what comes too late; whoever still reads closes its own."""
        with self._lock:
            self._over = True
            while True:
                try:
                    _, answer = self._answers.get_nowait()
                except queue.Empty:
                    return
                if isinstance(answer, DecryptingReader):
                    answer.close()

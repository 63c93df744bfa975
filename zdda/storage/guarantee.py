"""Whether a store may be trusted with what needs a guaranteed one: what the last canary found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from zdda.model.clock import Clock
from zdda.model.errors import ZddaError

if TYPE_CHECKING:
    from zdda.storage.canary import Trial

EVERY = timedelta(days=1)
_AGAIN = timedelta(minutes=10)
"""After a canary that the store did not answer."""

Try = Callable[[], "Sequence[Trial]"]
Tell = Callable[[str, list[str]], None]
"""Called with ``store-gives-way``, ``store-weak``, ``store-held`` or ``canary-unanswered``, and the trials that say so
(or the error)."""


class Guarantee(Protocol):
    """Whether a store is guaranteed, and the work of finding out."""

    def problem(self, sites: Collection[str] = ()) -> str | None:
        """Why the store is not guaranteed; None where it is. ``sites``: those that count, of several; none: all."""
        ...

    def try_if_due(self) -> None:
        """Called over and over."""
        ...


class NoGuarantee:
    """Of a store that no canary can try."""

    def __init__(self, why: str) -> None:
        self._why = why

    def problem(self, _sites: Collection[str] = ()) -> str | None:
        """Why the store is not guaranteed; None where it is."""
        return self._why

    def try_if_due(self) -> None:
        """Nothing is to be done."""


class CanaryGuarantee:
    """What the last canary found. ``try_if_due`` lets one fly at the first call and then once a day; a canary that the
    store does not answer changes nothing and is tried again after a while."""

    def __init__(self, attempt: Try, clock: Clock, tell: Tell) -> None:
        self._attempt, self._clock, self._tell = attempt, clock, tell
        self._due: datetime | None = None
        self._problem: str | None = "no canary has tried the store yet"
        self._one = threading.Lock()

    def problem(self, _sites: Collection[str] = ()) -> str | None:
        """Why the store is not guaranteed; None where it is."""
        return self._problem

    def try_if_due(self) -> None:
        """Never raises for a store that does not answer."""
        with self._one:
            now = self._clock.now()
            if self._due is not None and now < self._due:
                return
            try:
                self._judge(self._attempt())
            except ZddaError as error:
                self._due = now + _AGAIN
                self._tell("canary-unanswered", [error.code])
            else:
                self._due = now + EVERY

    def _judge(self, trials: Sequence[Trial]) -> None:
        from zdda.storage.canary import Outcome, guaranteed

        def ended(outcome: Outcome) -> list[str]:
            return [f"{trial.name}: {trial.detail}" for trial in trials if trial.outcome is outcome]

        if guaranteed(trials):
            self._problem = None
            self._tell("store-held", [])
        else:
            broken = ended(Outcome.GAVE_WAY) or ["the trials could not be made"]
            self._problem = "the store gives way: " + "; ".join(broken)
            self._tell("store-gives-way", broken)
        if weak := ended(Outcome.WEAK):
            self._tell("store-weak", weak)


class Guarantees:
    """Those of several sites: what needs a guaranteed store needs every site guaranteed that it is placed at."""

    def __init__(self, of_sites: Mapping[str, Guarantee]) -> None:
        self._of_sites = dict(of_sites)

    def problem(self, sites: Collection[str] = ()) -> str | None:
        """The first site's problem, with its name where there are several; None where there is none."""
        for name, guarantee in self._of_sites.items():
            problem = guarantee.problem() if not sites or name in sites else None
            if problem is not None:
                return problem if len(self._of_sites) == 1 else f"{name}: {problem}"
        return None

    def try_if_due(self) -> None:
        """One after another; see ``CanaryGuarantee``."""
        for guarantee in self._of_sites.values():
            guarantee.try_if_due()

"""Constraint records: every check of every building block, what was compared with what, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from zdda.validation.indications import PASSED, Conclusion, Indication, SubIndication
from zdda.validation.messages import MESSAGES


class Level(StrEnum):
    """What a policy makes of a constraint that is not met."""

    FAIL = "fail"
    WARN = "warn"
    INFORM = "inform"
    IGNORE = "ignore"


class Status(StrEnum):
    OK = "ok"
    NOT_OK = "not-ok"
    WARNING = "warning"
    INFORMATION = "information"
    IGNORED = "ignored"


_STATUS = {
    Level.FAIL: Status.NOT_OK,
    Level.WARN: Status.WARNING,
    Level.INFORM: Status.INFORMATION,
    Level.IGNORE: Status.IGNORED,
}


def message(id: str, status: Status) -> dict[str, str]:
    """What a record says to a person, in each language."""
    texts = MESSAGES[id]
    good = status is Status.OK
    return {"cs": texts.cs if good else texts.cs_not, "en": texts.en if good else texts.en_not}


class Constraint(NamedTuple):
    """One record; a document has hundreds. ``checked`` and ``against`` are technical values: digests, times,
    identifiers; no content."""

    id: str
    clause: str
    status: Status
    checked: str = ""
    against: str = ""

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "clause": self.clause,
            "checked": self.checked,
            "against": self.against,
            "status": str(self.status),  # .value is looked up more slowly, and there are hundreds in a report
            "message": message(self.id, self.status),
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """A constraint of level FAIL that was not met: what it means, and of which certificate (SHA-256)."""

    conclusion: Conclusion
    constraint: str
    certificate: bytes | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """The outcome of a building block or process: the first failure decides, all are kept."""

    name: str
    clause: str
    conclusion: Conclusion
    constraints: tuple[Constraint, ...]
    failures: tuple[Failure, ...] = ()

    def as_json(self) -> dict[str, object]:
        sub = self.conclusion.subindication
        return {
            "name": self.name,
            "clause": self.clause,
            "indication": str(self.conclusion.indication),
            "subindication": None if sub is None else str(sub),
            "constraints": [constraint.as_json() for constraint in self.constraints],
        }


class Checks:
    """Collects the records of one block."""

    def __init__(self, name: str, clause: str) -> None:
        self.name = name
        self.clause = clause
        self._constraints: list[Constraint] = []
        self._failures: list[Failure] = []

    def check(
        self,
        id: str,
        met: bool,
        level: Level = Level.FAIL,
        otherwise: Conclusion | None = None,
        checked: object = "",
        against: object = "",
        certificate: bytes | None = None,
    ) -> bool:
        """Records a check; a FAIL that is not met needs ``otherwise``. Returns whether it is met or not fatal."""
        status = Status.OK if met else _STATUS[level]
        # Hundreds in a report: ``Constraint`` itself would only take the values apart and put them together.
        record: Constraint = tuple.__new__(Constraint, (id, self.clause, status, str(checked), str(against)))
        self._constraints.append(record)
        if met or level is not Level.FAIL:
            return True
        conclusion = otherwise
        if conclusion is None:
            conclusion = Conclusion(Indication.INDETERMINATE, SubIndication.CUSTOM)
        self._failures.append(Failure(conclusion, id, certificate))
        return False

    def note(self, id: str, checked: object = "", against: object = "") -> None:
        self._constraints.append(Constraint(id, self.clause, Status.INFORMATION, str(checked), str(against)))

    def include(self, block: Block, otherwise: Conclusion | None = None) -> bool:
        """Takes over the records of a block that this one consists of; returns whether it passed. ``otherwise``:
        what it means here that it did not, by default what it came to itself."""
        self._constraints.extend(block.constraints)
        return self.check(
            "block-conclusive",
            block.conclusion.indication is Indication.PASSED,
            otherwise=block.conclusion if otherwise is None else otherwise,
            checked=block.name,
            against=str(block.conclusion.subindication or ""),
        )

    @property
    def failed(self) -> bool:
        return bool(self._failures)

    def block(self, conclusion: Conclusion | None = None) -> Block:
        first = self._failures[0].conclusion if self._failures else PASSED
        return Block(
            self.name,
            self.clause,
            first if conclusion is None else conclusion,
            tuple(self._constraints),
            tuple(self._failures),
        )

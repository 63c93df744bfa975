"""In what two detailed reports on the same document differ: verdicts, constraints, everything else. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

PINS = ("engine", "policy", "algorithmCatalogue")
"""What tells another version of the rules; the rest of a report is what the rules found."""

_ABSENT = "(absent)"


class Kind(StrEnum):
    PIN = "pin"
    VERDICT = "verdict"
    CONSTRAINT = "constraint"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Difference:
    """``where``: a path of names (signatures and timestamps by number, constraints by block and identifier);
    ``before`` and ``after`` are JSON values, or ``(absent)``."""

    kind: Kind
    where: str
    before: Any
    after: Any

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind.value, "where": self.where, "before": self.before, "after": self.after}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Empty exactly where the reports are equal. Signatures and timestamps are matched by identifier, blocks by
    name, constraints by identifier and turn; a change of order alone is told as such."""
    return tuple(_compared((), before, after))


def _compared(where: tuple[str, ...], before: Any, after: Any) -> Iterator[Difference]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _members(where, before, after)
    elif _is_list(before) and _is_list(after):
        old, new = _named(where, before), _named(where, after)
        found = list(_members(where, old, new))
        if not found and list(old) != list(new):
            found = [Difference(Kind.OTHER, "/".join((*where, "order")), list(old), list(new))]
        yield from found
    elif type(before) is not type(after) or before != after:  # true is not 1
        yield Difference(_kind(where), "/".join(where), before, after)


def _members(where: tuple[str, ...], old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys((*old, *new)):
        place = (*where, name)
        if name in old and name in new:
            yield from _compared(place, old[name], new[name])
        else:
            yield Difference(_kind(place), "/".join(place), old.get(name, _ABSENT), new.get(name, _ABSENT))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _named(where: tuple[str, ...], items: Sequence[Any]) -> dict[str, Any]:
    turns: Counter[str] = Counter()
    found = {}
    for item in items:
        name = _name(where, item)
        turns[name] += 1
        found[name if turns[name] == 1 else f"{name}#{turns[name]}"] = item
    return found


def _name(where: tuple[str, ...], item: Any) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    for member in ("identifier", "name", "id", "sha256", "code"):
        if isinstance(item.get(member), str):
            return f"{where[-1].rstrip('s')} {item[member]}" if member == "identifier" else str(item[member])
    return "item"


def _kind(where: tuple[str, ...]) -> Kind:
    if where[0] in PINS:
        return Kind.PIN
    if "constraints" in where:
        return Kind.CONSTRAINT
    if where[-1] in ("indication", "subindication", "refused", "notValidated", "noSignature", "bestSignatureTime"):
        return Kind.VERDICT
    whole = where[0] in ("signatures", "timestamps", "refused", "notValidated") and len(where) == 2
    return Kind.VERDICT if whole else Kind.OTHER

"""Where the objects of a class lie, and how many sites must hold one before its deposit is acknowledged as stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Copies(StrEnum):
    """What ``stored`` means: every site of the placement holds the object, or one does and the others get it later."""

    ALL = "all"
    ONE = "one"


@dataclass(frozen=True, slots=True)
class Placement:
    """The sites' names, in no order of rank; none means every site."""

    sites: tuple[str, ...] = ()
    copies: Copies = Copies.ALL

    def among(self, sites: Iterable[str]) -> tuple[str, ...]:
        """Those of ``sites`` that are meant, in their order."""
        return tuple(name for name in sites if not self.sites or name in self.sites)


EVERYWHERE = Placement()


@dataclass(frozen=True, slots=True)
class Placed:
    """Which sites hold an object durably, and which have to get it yet."""

    present: tuple[str, ...]
    missing: tuple[str, ...] = ()


def strictest(placements: Iterable[Placement]) -> Placement:
    """That of an object which serves several classes: at every site that one of them names, and as many copies as the
    strictest of them needs. Without any, everywhere."""
    listed = list(placements)
    if not listed:
        return EVERYWHERE
    sites: tuple[str, ...] = ()
    if all(each.sites for each in listed):
        sites = tuple(sorted({name for each in listed for name in each.sites}))
    return Placement(sites, Copies.ALL if any(each.copies is Copies.ALL for each in listed) else Copies.ONE)

"""The hash tree of RFC 4998 clause 4: groups of data objects, inner nodes, reduced trees. SHA-256 unless told."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

PartialHashTree = tuple[bytes, ...]


def node(digests: Iterable[bytes], algorithm: str = "sha256") -> bytes:
    """The digest of the concatenation in binary ascending order (RFC 4998 clause 4.2, step 3)."""
    return hashlib.new(algorithm, b"".join(sorted(digests))).digest()


def group_digest(digests: Iterable[bytes], algorithm: str = "sha256") -> bytes:
    """The leaf of a data object group (RFC 4998 clause 4.2): one digest stands for itself, several are a node.

    Objects with equal content are in it as often as they occur. Raises ``ValueError`` for an empty group.
    """
    group = tuple(digests)
    if not group:
        raise ValueError("a data object group has at least one object")
    return group[0] if len(group) == 1 else node(group, algorithm)


class HashTree:
    """A binary tree over ordered leaves; a node without a sibling is promoted as it is."""

    def __init__(self, leaves: Sequence[bytes], algorithm: str = "sha256") -> None:
        if not leaves:
            raise ValueError("a hash tree has at least one leaf")
        self._levels: list[list[bytes]] = [list(leaves)]
        new = getattr(hashlib, algorithm)
        while len(level := self._levels[-1]) > 1:
            above = [
                new(left + right if left <= right else right + left).digest()
                for left, right in zip(level[::2], level[1::2], strict=False)
            ]
            if len(level) % 2:
                above.append(level[-1])
            self._levels.append(above)

    @property
    def root(self) -> bytes:
        """What the timestamp authority stamps."""
        return self._levels[-1][0]

    def reduced(self, index: int) -> tuple[PartialHashTree, ...]:
        """The siblings on the way from leaf ``index`` to the root, one list a level (RFC 4998 clause 4.2)."""
        if not 0 <= index < len(self._levels[0]):
            raise IndexError("the tree has no such leaf")
        siblings = []
        for level in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                siblings.append((level[sibling],))
            index //= 2
        return tuple(siblings)


def root_of(group: Sequence[bytes], siblings: Sequence[PartialHashTree], algorithm: str = "sha256") -> bytes:
    """The root that a group and its reduced tree lead to."""
    digest = group_digest(group, algorithm)
    for level in siblings:
        digest = node((digest, *level), algorithm)
    return digest

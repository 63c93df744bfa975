from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zdda.evidence.hash_tree import HashTree, group_digest, node, root_of

DIGESTS = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40, unique=True)


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def test_a_group_of_one_stands_for_itself_and_several_are_sorted() -> None:
    a, b = digest("a"), digest("b")
    assert group_digest([a]) == a
    assert group_digest([a, b]) == group_digest([b, a]) == hashlib.sha256(min(a, b) + max(a, b)).digest()


def test_the_example_of_rfc_4998_clause_4_2() -> None:
    h1, h2a, h2b, h2c, h3 = (digest(name) for name in ("1", "2a", "2b", "2c", "3"))
    h2abc = group_digest([h2b, h2c, h2a])
    tree = HashTree([h1, h2abc, h3])
    assert tree.root == node((node((h1, h2abc)), h3))
    assert tree.reduced(1) == ((h1,), (h3,))
    assert root_of([h2a, h2b, h2c], tree.reduced(1)) == tree.root


@given(DIGESTS)
def test_every_leaf_leads_to_the_root_and_no_other_digest_does(leaves: list[bytes]) -> None:
    tree = HashTree(leaves)
    for index, leaf in enumerate(leaves):
        assert root_of([leaf], tree.reduced(index)) == tree.root
        assert root_of([digest("another")], tree.reduced(index)) != tree.root


@pytest.mark.parametrize("index", [-1, 3])
def test_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        HashTree([digest(str(n)) for n in range(3)]).reduced(index)


def test_empty_groups_and_trees_are_refused() -> None:
    for make in (group_digest, HashTree):
        with pytest.raises(ValueError, match="at least one"):
            make([])

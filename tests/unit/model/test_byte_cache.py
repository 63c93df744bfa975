from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zdda.model.byte_cache import ByteCache, remembered


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 120)), max_size=60))
def test_it_never_holds_more_than_its_bound_and_always_answers_right(looks: list[tuple[int, int]]) -> None:
    cache: ByteCache[tuple[int, int], str] = ByteCache(300)
    for look in looks:
        assert cache.get(look, lambda look=look: str(look), lambda _, look=look: look[1]) == str(look)  # type: ignore[misc]
        assert 0 <= cache.size <= 300


def test_the_least_recently_used_goes_first() -> None:
    cache: ByteCache[str, str] = ByteCache(20)
    for key in ("a", "b", "a", "c"):
        cache.get(key, lambda key=key: key, lambda _: 10)  # type: ignore[misc]
    assert (cache.find("a"), cache.find("b"), cache.find("c"), len(cache)) == ("a", None, "c", 2)


def test_what_is_too_heavy_or_raises_is_not_kept() -> None:
    cache: ByteCache[str, str] = ByteCache(20)
    cache.get("small", lambda: "small", lambda _: 20)
    assert cache.get("large", lambda: "large", lambda _: 21) == "large"
    with pytest.raises(ZeroDivisionError):
        cache.get("bad", lambda: str(1 // 0), lambda _: 1)
    assert (cache.find("small"), cache.find("large"), cache.find("bad")) == ("small", None, None)
    cache.clear()
    assert (cache.size, len(cache)) == (0, 0)


def test_two_threads_that_make_the_same_count_once() -> None:
    cache: ByteCache[str, str] = ByteCache(100)
    together = threading.Barrier(2)

    def make() -> str:
        together.wait(5)
        return "made"

    threads = [threading.Thread(target=lambda: cache.get("key", make, lambda _: 10)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (cache.size, len(cache)) == (10, 1)


def test_a_function_of_bytes_is_asked_once() -> None:
    asked: list[bytes] = []

    @remembered(10_000, times=2)
    def length(data: bytes) -> int | None:
        """Counts."""
        asked.append(data)
        return len(data) or None

    assert [length(b"one"), length(b"one"), length(b""), length(b"")] == [3, 3, None, None]
    assert asked == [b"one", b""]
    assert length.__doc__ == "Counts."
    for number in range(100):
        length(bytes(1000) + bytes([number]))
    before = len(asked)
    length(b"one")
    assert len(asked) == before + 1, "forgotten meanwhile"

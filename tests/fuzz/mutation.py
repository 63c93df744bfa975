"""A small mutator for the short run: deterministic, blind to coverage, aware of DER lengths and of neighbours."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

_TELLING = (0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x30, 0x31, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xA0, 0xA1, 0xFF)


def mutations(seeds: Sequence[bytes], count: int, chance: random.Random) -> Iterator[bytes]:
    """``count`` inputs, each a seed changed in one to four places."""
    for number in range(count):
        data = bytearray(seeds[number % len(seeds)])
        for _ in range(chance.randint(1, 4)):
            if not data:
                break
            _change(data, seeds, chance)
        yield bytes(data)


def _change(data: bytearray, seeds: Sequence[bytes], chance: random.Random) -> None:
    place = chance.randrange(len(data))
    kind = chance.randrange(8)
    if kind == 0:
        data[place] ^= 1 << chance.randrange(8)
    elif kind == 1:
        data[place] = chance.choice(_TELLING)
    elif kind == 2:
        data[place] = (data[place] + chance.choice((-1, 1))) % 256
    elif kind == 3:
        del data[place : place + chance.randint(1, 64)]
    elif kind == 4:
        end = place + chance.randint(1, 64)
        data[place:place] = data[place:end]
    elif kind == 5:
        del data[place:]
    elif kind == 6:
        other = chance.choice(seeds)
        start = chance.randrange(len(other))
        piece = other[start : start + chance.randint(1, 256)]
        data[place : place + len(piece)] = piece
    else:
        digits = [index for index in range(place, min(len(data), place + 400)) if 0x30 <= data[index] <= 0x39]
        if digits:
            data[chance.choice(digits)] = chance.randrange(0x30, 0x3A)

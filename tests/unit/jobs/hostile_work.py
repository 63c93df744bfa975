"""What hostile bytes may make a parser do. A worker imports this module, which gives itself a name that it may call."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from zdda.model.errors import InvalidInput

NAME = "zdda.hostile_work"
sys.modules[NAME] = sys.modules[__name__]


def echo(value: object) -> object:
    return value


def process() -> int:
    return os.getpid()


def surroundings() -> dict[str, str]:
    return dict(os.environ)


def loop() -> None:
    while True:
        pass


def sleep() -> None:
    time.sleep(3600)


def memory() -> int:
    taken = []
    while True:
        taken.append(bytearray(16 * 1024 * 1024))


def leave() -> None:
    os._exit(0)


def recurse() -> None:
    recurse()


def huge(length: int) -> str:
    return "x" * length


def refuse() -> None:
    raise InvalidInput("a reason")


def fail() -> None:
    raise ValueError("the patient's name")


def chatter(value: str) -> str:
    print("a parser's chatter")
    os.write(1, b"\xff\xff\xff\xff")
    return value


def not_json() -> object:
    return object()


def forge() -> None:
    """Answers in the worker's place, wherever answers go."""
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, (5).to_bytes(4) + b"nope!")
        except OSError:
            continue


def write_file(path: str) -> int:
    with Path(path).open("wb") as file:
        return file.write(b"x")


def open_many() -> int:
    return len([os.open("/dev/null", os.O_RDONLY) for _ in range(1000)])


def meet(begun: str, go_on: str) -> str:
    """Says that it has begun, and ends when told what to answer; through pipes."""
    descriptor = os.open(begun, os.O_WRONLY)
    os.write(descriptor, b"begun")
    os.close(descriptor)
    return Path(go_on).read_text()

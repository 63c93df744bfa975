"""Fuzzing guided by coverage: ``make campaign-fuzz``, or ``python -m tests.fuzz.campaign --folder FOLDER``.

Each target runs in a process of its own, two at a time, over a corpus that is kept in the folder: the same command
goes on where it stopped. Bytes that broke a promise are kept as ``FOLDER/TARGET/crash-…``, the slowest as
``slow-unit-…``. Documents given with ``--seeds`` are begun from, too. Prints executions, how many in a second, and the
coverage that libFuzzer counts at the start and at the end, a line a target; status 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

LARGEST = 16_384
_DONE = re.compile(r"Done (\d+) runs|stat::number_of_executed_units:\s*(\d+)|^#(\d+)\s")
_COVERAGE = re.compile(r"cov: (\d+)")


@dataclass(frozen=True)
class Run:
    """``begun``, ``ended``: libFuzzer's coverage, once the corpus is read and at last."""

    status: int
    executions: int
    seconds: float
    begun: int
    ended: int


def main(arguments: Sequence[str] | None = None) -> int:
    """The campaign's command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="of each target")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--target", action="append", help="only this; may be given several times")
    parser.add_argument("--seeds", type=Path, help="a folder with files of each target: SEEDS/TARGET/…")
    given = parser.parse_args(arguments)
    from tests.fuzz.targets import TARGETS

    chosen = given.target or list(TARGETS)
    for name in chosen:
        more = sorted((given.seeds / name).glob("*")) if given.seeds else ()
        _plant(given.folder / name, [*TARGETS[name].seeds(), *(each.read_bytes() for each in more)])
    with ThreadPoolExecutor(2) as two:
        results = list(two.map(lambda name: _fuzz(name, given.folder / name, given.minutes * 60), chosen))
    for name, found in zip(chosen, results, strict=True):
        told = "holds" if found.status == 0 else f"BROKEN, see {given.folder / name}"
        pace = found.executions / max(found.seconds, 1.0)
        print(
            f"{name}: {found.executions} executions in {found.seconds:.0f} s ({pace:.0f} a second), "
            f"coverage {found.begun} at the start, {found.ended} at the end, {told}",
            flush=True,
        )
    return int(any(found.status for found in results))


def _plant(folder: Path, seeds: Sequence[bytes]) -> None:
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (folder / "corpus" / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)


def _fuzz(name: str, folder: Path, seconds: float) -> Run:
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.campaign",
        "--run",
        name,
        str(folder / "corpus"),
        f"-max_total_time={int(seconds)}",
        f"-max_len={LARGEST}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        "-timeout=20",
        "-report_slow_units=2",
        "-rss_limit_mb=3000",
    ]
    executions = begun = ended = 0
    start = time.monotonic()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stderr is not None
        with (folder / "log").open("w") as log:
            for line in _lines(process.stderr):
                log.write(line)
                if (match := _COVERAGE.search(line)) is not None:
                    ended = max(ended, int(match[1]))
                    if "INITED" in line:
                        begun = int(match[1])
                if (match := _DONE.search(line)) is not None:
                    executions = int(match[1] or match[2] or match[3])
    return Run(process.returncode, executions, time.monotonic() - start, begun, ended)


def _lines(stream: Iterator[str]) -> Iterator[str]:
    with contextlib.suppress(ValueError):
        yield from stream


def _run(name: str, arguments: Sequence[str]) -> None:
    """One target under libFuzzer; does not return."""
    import atheris

    with atheris.instrument_imports(include=["zdda", "asn1crypto", "pyhanko.pdf_utils"]):
        from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    for seed in target.seeds():
        target.run(seed)  # what is made once for all inputs is made before the first
    change = target.mutate
    if change is None:
        atheris.Setup([name, *arguments], target.run)
    else:

        def mutate(data: bytes, most: int, seed: int) -> bytes:
            return change(data, most, seed, atheris.Mutate)

        atheris.Setup([name, *arguments], target.run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        _run(sys.argv[2], sys.argv[3:])
    sys.exit(main())

"""Fuzzing guided by coverage: ``make campaign-fuzz``, or ``python -m tests.fuzz.campaign --folder FOLDER``.

Each target runs in a process of its own, two at a time, over a corpus that is kept in the folder: the same command
goes on where it stopped. Bytes that broke a promise are kept as ``FOLDER/TARGET/crash-…``. Prints executions and the
coverage that libFuzzer counts, a line a target; status 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LARGEST = 65_536
_DONE = re.compile(r"Done (\d+) runs|stat::number_of_executed_units:\s*(\d+)")
_COVERAGE = re.compile(r"cov: (\d+)")


def main(arguments: Sequence[str] | None = None) -> int:
    """The campaign's command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="of each target")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--target", action="append", help="only this; may be given several times")
    given = parser.parse_args(arguments)
    from tests.fuzz.targets import TARGETS

    chosen = given.target or list(TARGETS)
    for name in chosen:
        _plant(given.folder / name, TARGETS[name].seeds())
    with ThreadPoolExecutor(2) as two:
        results = list(two.map(lambda name: _fuzz(name, given.folder / name, given.minutes * 60), chosen))
    for name, (status, executions, coverage) in zip(chosen, results, strict=True):
        told = "holds" if status == 0 else f"BROKEN, see {given.folder / name}"
        print(f"{name}: {executions} executions, coverage {coverage}, {told}", flush=True)
    return int(any(status for status, _, _ in results))


def _plant(folder: Path, seeds: Sequence[bytes]) -> None:
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (folder / "corpus" / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)


def _fuzz(name: str, folder: Path, seconds: float) -> tuple[int, int, int]:
    """(status, executions, coverage) of one target's run."""
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
        "-rss_limit_mb=3000",
    ]
    executions = coverage = 0
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stderr is not None
        with (folder / "log").open("w") as log:
            for line in _lines(process.stderr):
                log.write(line)
                for match in _COVERAGE.finditer(line):
                    coverage = max(coverage, int(match[1]))
                if (match := _DONE.search(line)) is not None:
                    executions = int(match[1] or match[2])
    return process.returncode, executions, coverage


def _lines(stream: Iterator[str]) -> Iterator[str]:
    with contextlib.suppress(ValueError):
        yield from stream


def _run(name: str, arguments: Sequence[str]) -> None:
    """One target under libFuzzer; does not return."""
    import atheris

    with atheris.instrument_imports(include=["zdda", "asn1crypto", "pyhanko.pdf_utils"]):
        from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    target.seeds()
    atheris.Setup([name, *arguments], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        _run(sys.argv[2], sys.argv[3:])
    sys.exit(main())

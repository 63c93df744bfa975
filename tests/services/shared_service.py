"""A server that all test processes of one run share: the first who needs it starts it, it ends with the run.

A guardian process holds the server's daemons as its children and watches the process that leads the run (xdist's
controller, or the one test process). When that is gone, however it went, the guardian stops the daemons and removes
their folder. Daemons whose guardian is killed die with it.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_PR_SET_PDEATHSIG = 1
_STOPPING = 20.0


class ServiceAbsent(Exception):
    """The server's programs are not installed; the message says which."""


class Daemons:
    """The processes of one server, in one folder. The last started is stopped first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{Path(command[0]).name}-{len(self.running)}.log").open("wb")
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env={**os.environ, **(environment or {})},
            preexec_fn=die_with_parent,
        )
        self.running.append(process)
        return process

    def check(self) -> None:
        """Raises ``RuntimeError`` with the end of its log for a daemon that has ended."""
        for number, process in enumerate(self.running):
            if process.poll() is not None:
                log = self.folder / f"{Path(str(process.args[0])).name}-{number}.log"  # type: ignore[index]
                raise RuntimeError(f"{log.name}: ended with {process.returncode}: {log.read_text()[-1000:]}")

    def stop(self) -> None:
        for process in reversed(self.running):
            process.terminate()
            try:
                process.wait(_STOPPING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def shared(module: str, starting: float) -> dict[str, str]:
    """What the server of ``module`` (its ``run(daemons)``) says of itself; starts it where nobody has yet.

    Raises ``ServiceAbsent`` again in every process, and ``RuntimeError`` where it does not start in time (seconds).
    """
    leader = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    base = Path(tempfile.gettempdir()) / f"zdda-{module.rpartition('.')[2]}-{leader}"
    state, lock = base.with_suffix(".json"), base.with_suffix(".lock")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not state.exists():
            _start_guardian(module, leader, base, state, lock)
            deadline = time.monotonic() + starting
            while not state.exists():
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{module} did not start in {starting} s")
                time.sleep(0.05)
    said: dict[str, str] = json.loads(state.read_text())
    if "absent" in said:
        raise ServiceAbsent(said["absent"])
    if "failed" in said:
        raise RuntimeError(said["failed"])
    return said


def versions_used() -> list[str]:
    """What each server of this run said of its version: for the process that leads the run."""
    states = Path(tempfile.gettempdir()).glob(f"zdda-*-{os.getpid()}.json")
    said = (json.loads(state.read_text()) for state in sorted(states))
    return [each["version"] for each in said if "version" in each]


def free_port() -> int:
    """A port of the loopback interface that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(ready: Callable[[], bool], daemons: Daemons, seconds: float, what: str) -> None:
    """Raises ``RuntimeError`` where it is not ready in time, or a daemon ends before."""
    deadline = time.monotonic() + seconds
    while not ready():
        daemons.check()
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} was not ready in {seconds} s")
        time.sleep(0.05)


def listens(port: int) -> bool:
    """Whether somebody answers there."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def guard(run: Callable[[Daemons], dict[str, str]], arguments: Sequence[str]) -> None:
    """The guardian's life: start, say so, watch, stop, clear away."""
    leader, base, state, lock = int(arguments[0]), *map(Path, arguments[1:4])
    base.mkdir(mode=0o700)
    daemons = Daemons(base)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        try:
            said = run(daemons)
        except ServiceAbsent as error:
            said = {"absent": str(error)}
        except Exception as error:  # noqa: BLE001 - whatever it was, the tests that wait are told
            said = {"failed": f"{type(error).__name__}: {error}"}
        partial = state.with_suffix(".new")
        partial.write_text(json.dumps(said))
        partial.rename(state)
        while _lives(leader):
            time.sleep(0.2)
    finally:
        daemons.stop()
        shutil.rmtree(base, ignore_errors=True)
        for file in (state, lock):
            file.unlink(missing_ok=True)


def _start_guardian(module: str, leader: int, base: Path, state: Path, lock: Path) -> None:
    with base.with_suffix(".log").open("wb") as log:
        subprocess.Popen(
            [sys.executable, "-m", module, str(leader), str(base), str(state), str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=_ROOT,
            start_new_session=True,
        )
    base.with_suffix(".log").unlink()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"

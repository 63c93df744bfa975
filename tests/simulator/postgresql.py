"""Databases for tests: a PostgreSQL server of Debian's package, started once when first asked for, and SQLite files.

The server runs as an unprivileged user in a temporary folder, listens on a socket there and nowhere else, and dies
with the process that started it. Databases are copies of one that was migrated once.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pytest

from tests.services.absence import absent
from zdda.database.engine import open_engine
from zdda.database.migration import migrate

BACKENDS = ("sqlite", "postgresql")
_PACKAGES = Path("/usr/lib/postgresql")
_PR_SET_PDEATHSIG = 1
_STARTING = 30.0
_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "120",
    "timezone": "UTC",
}
_MIGRATED = "zdda_template"
_numbers = itertools.count(1)


class PostgresqlAbsent(Exception):
    """The package is not installed."""


class PostgresqlServer:
    """One server; databases are made and dropped at will."""

    def __init__(self) -> None:
        programs = _programs()
        self.folder = Path(tempfile.mkdtemp(prefix="zdda-pg-"))
        self._as = _unprivileged()
        if self._as:
            os.chown(self.folder, self._as["user"], self._as["group"])
        data = self.folder / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "zdda", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **self._as,
        )
        options = [f"-c{name}={value}" for name, value in _OPTIONS.items()]
        self._process = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", self.folder, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log").open("wb"),
            cwd=self.folder,
            preexec_fn=_die_with_parent,
            **self._as,
        )
        self._await()
        self._run(f"CREATE DATABASE {_MIGRATED}")
        engine = open_engine(self.url(_MIGRATED))
        migrate(engine)
        engine.dispose()

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://zdda@/{database}?host={self.folder}"

    @contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[str]:
        """The address of a fresh database, dropped afterwards whoever still has it open."""
        name = f"test_{next(_numbers)}"
        self._run(f"CREATE DATABASE {name}" + (f" TEMPLATE {_MIGRATED}" if migrated else ""))
        try:
            yield self.url(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, statement: str) -> None:
        address = f"host={self.folder} user=zdda dbname=postgres"
        with closing(psycopg.connect(address, autocommit=True)) as connection:
            connection.execute(statement.encode())

    def _await(self) -> None:
        deadline = time.monotonic() + _STARTING
        while True:
            try:
                self._run("SELECT 1")
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)  # the server says nothing when it is ready
            else:
                return


@cache
def server() -> PostgresqlServer:
    """The one server of this process; raises ``PostgresqlAbsent``."""
    started = PostgresqlServer()
    atexit.register(started.stop)
    return started


def server_or_skip() -> PostgresqlServer:
    """Skips the test without the package; in CI that is a failure."""
    try:
        return server()
    except PostgresqlAbsent:
        absent("PostgreSQL is not installed")


@cache
def _migrated_sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.db"
        engine = open_engine(f"sqlite:///{path}")
        migrate(engine)
        engine.dispose()  # the last connection moves everything from the log into the file
        return path.read_bytes()


@contextmanager
def fresh_database(backend: str, folder: Path, *, migrated: bool = True) -> Iterator[str]:
    """The address of a database that nobody else has."""
    if backend == "postgresql":
        with server_or_skip().database(migrated=migrated) as url:
            yield url
        return
    path = folder / "catalog.db"
    if migrated:
        path.write_bytes(_migrated_sqlite())
    yield f"sqlite:///{path}"


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database of each kind."""
    with fresh_database(request.param, tmp_path) as url:
        yield url


@pytest.fixture(params=BACKENDS)
def blank_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind without any table."""
    with fresh_database(request.param, tmp_path, migrated=False) as url:
        yield url


def _programs() -> Path:
    found = sorted(_PACKAGES.glob("*/bin/initdb"), key=lambda path: float(path.parent.parent.name))
    if not found:
        raise PostgresqlAbsent
    return found[-1].parent


def _unprivileged() -> dict[str, int]:
    """PostgreSQL refuses to run as root: then it runs as ``postgres``, or ``nobody`` where there is no such user."""
    if os.geteuid():
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid}
    raise PostgresqlAbsent


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)

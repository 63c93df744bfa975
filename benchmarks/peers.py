"""The two servers a benchmark speaks to, and a client thin enough not to be what is measured."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from threading import Thread


@dataclass(frozen=True)
class Archive:
    """Where a benchmarked archive answers; ``pid`` of its process. ``signed``: a PAdES-B-T document whose signer it
    trusts, ``anchor`` and ``issuing`` the certificates of his path (DER)."""

    port: int
    root: str
    anchor: str
    issuing: str
    signed: str
    producer: tuple[str, str]
    consumer: tuple[str, str]
    tls_key: str
    tls_certificates: str
    pid: int

    def connect(self, port: int | None = None) -> HTTPSConnection:
        context = ssl.create_default_context(cafile=self.root)
        return HTTPSConnection("localhost", port or self.port, context=context, timeout=120)


@contextmanager
def archive(folder: Path) -> Iterator[Archive]:
    """A fresh archive below ``folder``."""
    command = [sys.executable, "-m", "benchmarks.archive_server", str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    try:
        said = json.loads(process.stdout.readline())
        pairs = {name: tuple(said.pop(name)) for name in ("producer", "consumer")}
        yield Archive(**said, **pairs, pid=process.pid)
    finally:
        process.stdin.close()
        process.wait(timeout=60)


@contextmanager
def raw_server(peer: Archive, folder: Path) -> Iterator[int]:
    """The denominator's server on a free port, with the archive's TLS credentials; gives the port."""
    folder.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [str(folder), peer.tls_key, peer.tls_certificates, str(port)]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.raw_server", *arguments])
    try:
        _await(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def basic(pair: tuple[str, str]) -> str:
    """The Authorization header of a name and a password."""
    return "Basic " + base64.b64encode(":".join(pair).encode()).decode()


def multipart(document: bytes, media_type: str) -> tuple[bytes, str]:
    """(body, content type) of a deposit of one document."""
    metadata = json.dumps({"title": "benchmark", "documentType": "report", "retentionClass": "medical-record"})
    head = (
        f'--bound\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{metadata}\r\n'
        f'--bound\r\nContent-Disposition: form-data; name="document"; filename="a.pdf"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    return head.encode() + document + b"\r\n--bound--\r\n", "multipart/form-data; boundary=bound"


def rate(
    clients: int, requests: int, connect: Callable[[], HTTPSConnection], ask: Callable[[HTTPSConnection], None]
) -> float:
    """Requests a second of ``clients`` threads that share ``requests``."""

    def work() -> None:
        connection = connect()
        for _ in range(requests // clients):
            ask(connection)
        connection.close()

    threads = [Thread(target=work) for _ in range(clients)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return requests // clients * clients / (time.perf_counter() - begun)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its children so far."""
    total = 0.0
    for line in _family(pid):
        fields = Path(f"/proc/{line}/stat").read_text().rsplit(") ", 1)[1].split()
        total += sum(int(fields[index]) for index in (11, 12, 13, 14)) / 100
    return total


def peak_memory(pid: int) -> int:
    """The largest resident size of a process so far, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise LookupError("no VmHWM")


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task").glob("*/children")
    return [pid] + [each for file in children for child in file.read_text().split() for each in _family(int(child))]


def _await(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("the raw server does not answer")

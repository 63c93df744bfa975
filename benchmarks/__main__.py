"""``python -m benchmarks [NAME…]``: unsigned, signed, retrieval, memory, validation, shared, crl, files, scrub, s3,
s3-large, cache; all without a name. Prints one line each."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPSConnection
from importlib import import_module
from io import BytesIO
from pathlib import Path

from benchmarks.peers import Archive, archive, basic, cpu_seconds, multipart, peak_memory, rate, raw_server

MIB = 1024 * 1024
MEMORY_BOUND = 8 * MIB


def unsigned(folder: Path) -> bool:
    """100 KB deposits of 16 clients, archived, against raw POST → disk + hash + fsync."""
    document = secrets.token_bytes(100_000)
    with archive(folder / "archive") as peer, raw_server(peer, folder / "raw") as port:
        body, content_type = multipart(document, "application/octet-stream")
        deposit = _poster(peer, "/v1/deposits", body, content_type)
        rate(16, 32, peer.connect, deposit)
        ours = rate(16, 320, peer.connect, deposit)
        raw = rate(16, 1600, lambda: peer.connect(port), _poster(peer, "/", document, "application/octet-stream"))
    print(f"unsigned: {ours:.1f} deposits/s, raw {raw:.1f}/s, ratio {ours / raw:.3f}")
    return True


def signed(folder: Path) -> bool:
    """170 KB PAdES-B-T deposits of 16 clients, TOTAL_PASSED, archived: processor time of all archive processes (the
    demonstration's authorities among them) against stock pyHanko's validation."""
    count = 320
    with archive(folder / "archive") as peer:
        pdf = Path(peer.signed).read_bytes()
        path = tuple(Path(file).read_bytes() for file in (peer.anchor, peer.issuing))
        body, content_type = multipart(pdf, "application/pdf")
        deposit = _poster(peer, "/v1/deposits", body, content_type, '"verdict":"TOTAL_PASSED"')
        rate(16, 64, peer.connect, deposit)
        before = cpu_seconds(peer.pid)
        ours = rate(16, count, peer.connect, deposit)
        seconds = (cpu_seconds(peer.pid) - before) / count
        stock = _pyhanko_seconds(pdf, *path)
    print(
        f"signed: {ours:.1f} deposits/s, {seconds * 1000:.1f} ms CPU a deposit; pyHanko's validation alone "
        f"{stock * 1000:.1f} ms; ratio {stock / seconds:.2f} ({len(pdf)} bytes)"
    )
    return True


def retrieval(folder: Path) -> bool:
    """Verified retrieval of 100 KB, authorised and audited, against a bare hash-checked GET; 8 clients."""
    document = secrets.token_bytes(100_000)
    with archive(folder / "archive") as peer, raw_server(peer, folder / "raw") as port:
        body, content_type = multipart(document, "application/octet-stream")
        package = _package(peer, body, content_type)
        raw_connection = peer.connect(port)
        raw_connection.request("POST", "/", document)
        number = raw_connection.getresponse().read().decode()
        ours = _times(peer.connect, _getter(peer, f"/v1/packages/{package}/documents/1"))
        raw = _times(lambda: peer.connect(port), _getter(peer, f"/{number}"))
    p99 = statistics.quantiles(ours, n=100)[98]
    ratio = statistics.median(ours) / statistics.median(raw)
    print(
        f"retrieval: p50 {statistics.median(ours) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms; bare "
        f"{statistics.median(raw) * 1000:.1f} ms; ratio of p50 {ratio:.2f}"
    )
    return True


def memory(folder: Path) -> bool:
    """Peak memory of the archive at a deposit of 500 MB less that at 10 MB: at most 8 MiB."""
    peaks = []
    for size in (10_000_000, 500_000_000):
        with archive(folder / f"archive-{size}") as peer:
            for _ in range(2):
                _deposit_zeros(peer, size)
            peaks.append(peak_memory(peer.pid))
    growth = peaks[1] - peaks[0]
    print(
        f"memory: {peaks[0] / MIB:.1f} MiB at 10 MB, {peaks[1] / MIB:.1f} MiB at 500 MB, growth {growth / MIB:.1f} MiB"
    )
    return growth <= MEMORY_BOUND


def _poster(
    peer: Archive, path: str, body: bytes, content_type: str, expected: str = ""
) -> Callable[[HTTPSConnection], None]:
    headers = {"Content-Type": content_type, "Authorization": basic(peer.producer)}

    def ask(connection: HTTPSConnection) -> None:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status not in (200, 201) or expected.encode() not in answer:
            raise RuntimeError(f"{response.status} {answer[:200]!r}")

    return ask


def _getter(peer: Archive, path: str) -> Callable[[HTTPSConnection], None]:
    headers = {"Authorization": basic(peer.consumer)}

    def ask(connection: HTTPSConnection) -> None:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        if response.status != 200 or len(response.read()) != 100_000:
            raise RuntimeError(str(response.status))

    return ask


def _times(connect: Callable[[], HTTPSConnection], ask: Callable[[HTTPSConnection], None]) -> list[float]:
    taken: list[float] = []

    def timed(connection: HTTPSConnection) -> None:
        begun = time.perf_counter()
        ask(connection)
        taken.append(time.perf_counter() - begun)

    rate(8, 64, connect, ask)
    rate(8, 800, connect, timed)
    return taken


def _package(peer: Archive, body: bytes, content_type: str) -> str:
    import json

    connection = peer.connect()
    headers = {"Content-Type": content_type, "Authorization": basic(peer.producer)}
    connection.request("POST", "/v1/deposits", body, headers)
    package: str = json.loads(connection.getresponse().read())["packageId"]
    return package


def _deposit_zeros(peer: Archive, size: int) -> None:
    head, tail = multipart(b"\0SPLIT\0", "application/octet-stream")[0].split(b"\0SPLIT\0")
    connection = peer.connect()
    connection.putrequest("POST", "/v1/deposits")
    for name, value in (
        ("Content-Type", "multipart/form-data; boundary=bound"),
        ("Authorization", basic(peer.producer)),
        ("Content-Length", str(len(head) + size + len(tail))),
    ):
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(head)
    block = secrets.token_bytes(1_000_000)
    for _ in range(size // len(block)):
        connection.send(block)
    connection.send(tail)
    response = connection.getresponse()
    answer = response.read()
    if response.status not in (201, 202):
        raise RuntimeError(f"{response.status} {answer[:200]!r}")


def _pyhanko_seconds(pdf: bytes, anchor: bytes, issuing: bytes) -> float:
    from asn1crypto import x509
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import async_validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    root = x509.Certificate.load(anchor)
    others = [x509.Certificate.load(issuing)]

    def once() -> None:
        context = ValidationContext(trust_roots=[root], other_certs=others, allow_fetching=False)
        signature = PdfFileReader(BytesIO(pdf)).embedded_signatures[0]
        status = asyncio.run(async_validate_pdf_signature(signature, context, ts_validation_context=context))
        if not status.intact or not status.trusted:
            raise RuntimeError("pyHanko does not trust the sample")

    for _ in range(5):
        once()
    begun = time.process_time()
    for _ in range(40):
        once()
    return (time.process_time() - begun) / 40


def _of_validation(name: str) -> Callable[[Path], bool]:
    """Imported late: the archive's PDF reader changes pyHanko's, which ``signed`` measures as it is."""

    def run(folder: Path) -> bool:
        from benchmarks import validation

        benchmark: Callable[[Path], bool] = getattr(validation, name)
        return benchmark(folder)

    return run


def _files(folder: Path) -> bool:
    from benchmarks.file_storage import files

    return files(folder)


def _scrub(folder: Path) -> bool:
    from benchmarks.scrubbing import scrub

    return scrub(folder)


def _of_storage(name: str, module: str = "storage") -> Callable[[Path], bool]:
    """Imported late: it needs Ceph."""

    def run(folder: Path) -> bool:
        from tests.services.ceph import ceph
        from tests.services.shared_service import ServiceAbsent

        try:
            ceph()
        except ServiceAbsent as absent:
            print(f"{name}: not measured: {absent}")
            return True
        benchmark: Callable[[Path], bool] = getattr(import_module(f"benchmarks.{module}"), name)
        return benchmark(folder)

    return run


BENCHMARKS = {
    "unsigned": unsigned,
    "signed": signed,
    "retrieval": retrieval,
    "memory": memory,
    "validation": _of_validation("validation"),
    "shared": _of_validation("shared"),
    "crl": _of_validation("crl"),
    "files": _files,
    "scrub": _scrub,
    "s3": _of_storage("s3"),
    "s3-large": _of_storage("s3_large"),
    "cache": _of_storage("cache", "read_cache"),
}


def main() -> int:
    """Runs the benchmarks named; 1 when a bound does not hold."""
    well = True
    for name in sys.argv[1:] or BENCHMARKS:
        with tempfile.TemporaryDirectory() as folder:
            well &= BENCHMARKS[name](Path(folder))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())

"""Requests of the CMIS 1.1 browser binding (OASIS, clause 5), each answer bounded and given a meaning.

Redirects are not followed, nothing is decompressed, no address on another server is asked: what a repository answers
is taken for hostile.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from zdda.model.canonical_json import parse_json
from zdda.model.errors import ZddaError
from zdda.storage.store_errors import StoreBusy, StoreFull, StoreRefuses, StoreUnreachable

MOST_JSON = 8 * 1024 * 1024
_MOST_OF_AN_ERROR = 64 * 1024
_NAME = re.compile(r"[A-Za-z]{1,40}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class NotThere(Exception):
    """The repository says ``objectNotFound``."""


class NameTaken(Exception):
    """The repository says that the folder has an object of that name."""


@dataclass(frozen=True, slots=True)
class CmisAddress:
    """A folder of a repository and how to reach it. ``service``: the service document of the browser binding.
    ``certificate_authorities``: a PEM file; None: those of this machine. Times in seconds."""

    service: str
    repository: str
    folder: str
    user: str
    password: str
    certificate_authorities: Path | None = None
    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    connections: int = 8

    def __repr__(self) -> str:
        return f"CmisAddress({self.service!r}, {self.repository!r}, {self.folder!r})"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that goes with a form: exactly ``length`` bytes."""

    name: str
    length: int
    chunks: Iterable[bytes]


class CmisClient:
    """HTTP to one server. Every method raises ``NotThere``, ``NameTaken`` and the archive's errors of a store."""

    def __init__(self, address: CmisAddress) -> None:
        self._origin = _origin(address.service)
        authorities = address.certificate_authorities
        try:
            trust = ssl.create_default_context(cafile=str(authorities) if authorities else None)
        except (OSError, ssl.SSLError) as error:
            raise StoreRefuses("the authorities of the store's certificate cannot be read") from error
        self._client = httpx.Client(
            auth=httpx.BasicAuth(address.user, address.password),
            verify=trust,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(address.read_seconds, connect=address.connect_seconds),
            limits=httpx.Limits(max_connections=address.connections, max_keepalive_connections=address.connections),
            headers={"Accept-Encoding": "identity", "User-Agent": "zdda"},
        )

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    def same_server(self, url: object) -> str:
        """The address that a repository names, if it is on the server of the settings; else ``StoreUnreachable``."""
        if not isinstance(url, str) or len(url) > 2048 or _origin(url) != self._origin:
            raise StoreUnreachable("the repository names an address that is not on its server")
        return url

    def get(self, url: str, arguments: Mapping[str, str]) -> tuple[Any, datetime | None]:
        """(the answer's JSON, the server's clock where it tells it)."""
        with self._answer("GET", with_arguments(url, arguments)) as answer:
            return _json(answer), _date(answer)

    def post(self, url: str, fields: Mapping[str, str], upload: Upload | None = None) -> Any:
        """The answer's JSON; None where it has no body. Not repeated by itself."""
        content, headers = _form(fields, upload)
        with self._answer("POST", url, content=content, headers=headers) as answer:
            return _json(answer)

    def content(self, url: str, arguments: Mapping[str, str], start: int, size: int) -> bytes:
        """At most ``size`` bytes of a content stream from ``start``. A server that knows no ranges is read from the
        beginning, and what comes before is thrown away."""
        headers = {"Range": f"bytes={start}-{start + size - 1}"}
        with self._answer("GET", with_arguments(url, arguments), headers=headers) as answer:
            skipped = start
            if answer.status_code == 206:
                found = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
                if found is None or int(found[1]) != start:
                    raise StoreUnreachable("the store answers another range")
                skipped = 0
            data = bytearray()
            for chunk in answer.iter_raw(64 * 1024):
                dropped = min(skipped, len(chunk))
                skipped -= dropped
                data += chunk[dropped : dropped + size - len(data)]
                if len(data) == size:
                    break
            return bytes(data)

    @contextmanager
    def _answer(self, method: str, url: str, **options: Any) -> Iterator[httpx.Response]:
        try:
            with self._client.stream(method, url, **options) as answer:
                if answer.headers.get("content-encoding", "identity").lower() != "identity":
                    raise StoreUnreachable("the store compresses what was asked for plain")
                if answer.is_success:
                    yield answer
                    return
                raise _refusal(answer)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise _silence(error) from error


def with_arguments(url: str, arguments: Mapping[str, str]) -> str:
    """The address with arguments, and with those that it has already."""
    joined = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in arguments.items())
    if not joined:
        return url
    return f"{url}{'&' if '?' in url else '?'}{joined}"


def _origin(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        return "", "", 0
    return parts.scheme, (parts.hostname or "").lower(), port


def _form(fields: Mapping[str, str], upload: Upload | None) -> tuple[Any, dict[str, str]]:
    """Clause 5.4: a form, of several parts where a content stream goes with it."""
    if upload is None:
        body = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in fields.items())
        return body.encode(), {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    boundary = f"zdda-object-{upload.name[:40]}"
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n'
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{value}\r\n"
        for name, value in fields.items()
    )
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{upload.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    start, end = head.encode(), f"\r\n--{boundary}--\r\n".encode()

    def body_parts() -> Iterator[bytes]:
        yield start
        yield from upload.chunks
        yield end

    return body_parts(), {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(start) + upload.length + len(end)),
    }


def _json(answer: httpx.Response, most: int = MOST_JSON) -> Any:
    data = bytearray()
    for chunk in answer.iter_raw(64 * 1024):
        data += chunk
        if len(data) > most:
            raise StoreUnreachable("the store's answer is longer than can be")
    if not data:
        return None
    try:
        return parse_json(bytes(data), most)
    except ValueError as error:
        raise StoreUnreachable("the store's answer makes no sense") from error


def _date(answer: httpx.Response) -> datetime | None:
    try:
        moment = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def _refusal(answer: httpx.Response) -> Exception:
    """Clause 5.2.10 of the browser binding: the exception's name is in the answer, the status is the second best."""
    status, name = answer.status_code, ""
    if status >= 400:
        try:
            said = _json(answer, _MOST_OF_AN_ERROR)
            name = str(said.get("exception", "")) if isinstance(said, dict) else ""
        except StoreUnreachable:
            name = ""
    return _meaning(status, name if _NAME.fullmatch(name) else "")


def _meaning(status: int, name: str) -> Exception:
    if name == "objectNotFound":  # a 404 that does not say so is no repository's: nothing is lost because of it
        return NotThere()
    if name in ("nameConstraintViolation", "contentAlreadyExists"):
        return NameTaken()
    if name == "storage" or status == 507:
        return StoreFull("the store has no room")
    if name == "updateConflict" or status in (429, 500, 502, 503, 504):
        return StoreBusy(f"the store takes no requests for now ({name or status})")
    if status == 401:
        return StoreRefuses("the store does not take the credentials")
    if status < 400:
        return StoreUnreachable(f"the store sends us elsewhere ({status})")
    return StoreRefuses(f"the store refuses ({name or status})")


def _silence(error: Exception) -> ZddaError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return StoreUnreachable("the store's certificate is not trusted")
    return StoreUnreachable("the store does not answer, not in time, or its answer breaks off")

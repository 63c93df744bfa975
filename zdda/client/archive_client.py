"""A client of the REST interface, version 1, on httpx."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import httpx

_PROBLEM = "application/problem+json"
_AGAIN = frozenset({409, 429, 502, 503, 504, 507})
_CHUNK = 1024 * 1024


class ArchiveRefused(Exception):
    """The archive said no; sending the same again cannot help. ``problem`` is the RFC 9457 document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('type', '')}: {problem.get('detail', '')}")
        self.status, self.problem = status, dict(problem)


class ReceivedDamaged(Exception):
    """What arrived has another digest than the archive announced."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file to deposit. ``role`` is ``document`` (main) or ``attachment``; ``name`` what the archive shall call it."""

    path: Path
    name: str
    media_type: str = "application/octet-stream"
    role: str = "document"


class ArchiveClient:
    """One archive, one account. A context manager; safe in one thread.

    ``attempts`` bounds how often a request is sent; ``pause`` is called with the seconds between two of them.
    """

    def __init__(
        self,
        url: str,
        account: str,
        password: str,
        *,
        certificates: Path | None = None,
        attempts: int = 6,
        timeout: float = 120.0,
        pause: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        context = ssl.create_default_context(cafile=certificates)
        self._attempts, self._pause = attempts, pause
        self._http = httpx.Client(
            base_url=url,
            auth=(account, password),
            verify=context,
            timeout=timeout,
            trust_env=False,
            transport=transport,
        )

    def __enter__(self) -> ArchiveClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def deposit(
        self, metadata: Mapping[str, Any], documents: Sequence[Document], idempotency_key: str, wait: float = 300.0
    ) -> dict[str, Any]:
        """Deposits and returns the receipt, or the deposit's state when it is not archived after ``wait`` seconds.

        The key makes it safe to send again: after a lost connection the same request gives the same receipt.
        Raises ``ArchiveRefused`` (its ``problem`` may hold the validation report), ``httpx.HTTPError`` when the
        archive cannot be reached.
        """
        response = self._repeat(lambda: self._post(metadata, documents, idempotency_key))
        answer: dict[str, Any] = response.json()
        if response.status_code == 202:
            return self._settled(response.headers["Location"], wait)
        return answer

    def status(self, deposit_id: str) -> dict[str, Any]:
        """Where a deposit stands."""
        answer: dict[str, Any] = self._repeat(lambda: self._http.get(f"/v1/deposits/{deposit_id}")).json()
        return answer

    def package(self, package_id: str) -> dict[str, Any]:
        """What a package is."""
        answer: dict[str, Any] = self._repeat(lambda: self._http.get(f"/v1/packages/{package_id}")).json()
        return answer

    def validation_report(self, package_id: str) -> list[dict[str, Any]]:
        """The sealed validation reports."""
        path = f"/v1/packages/{package_id}/validation-report"
        answer: list[dict[str, Any]] = self._repeat(lambda: self._http.get(path)).json()
        return answer

    def validation_report_as(
        self, package_id: str, form: str, document: int | None = None, language: str = "en", sealed: bool = False
    ) -> bytes:
        """The sealed report in a form: ``simple`` (JSON), ``etsi`` (XML), ``html``, ``text``, ``detailed``.

        ``document``: its number, needed for XML, HTML and text where the package has several. ``sealed``: the XML in
        an ASiC-S container under the archive's seal.
        """
        path = f"/v1/packages/{package_id}/validation-report"
        return self._repeat(lambda: self._http.get(path, **_form(form, language, sealed, document))).content

    def validate(
        self,
        document: Document,
        form: str = "simple",
        detached: Sequence[Document] = (),
        language: str = "en",
        sealed: bool = False,
    ) -> bytes:
        """What the signatures of a document are worth now, without archiving it; forms as above.

        ``detached``: what a signature in a file of its own may be over. Roles count for nothing.
        """

        def post() -> httpx.Response:
            with ExitStack() as stack:
                parts = [("document", document), *(("detached", each) for each in detached)]
                files: list[tuple[str, Any]] = [
                    (name, (each.name, stack.enter_context(each.path.open("rb")), each.media_type))
                    for name, each in parts
                ]
                return self._http.post("/v1/validations", files=files, **_form(form, language, sealed))

        return self._repeat(post).content

    def evidence_record(self, package_id: str) -> bytes:
        """The evidence record (RFC 4998, DER)."""
        return self._repeat(lambda: self._http.get(f"/v1/packages/{package_id}/evidence-record")).content

    def amendments(self, package_id: str) -> list[dict[str, Any]]:
        """What happened to the package after its sealing: ``sequence``, ``amendmentId``, ``kind``, ``created``,
        ``sha256``."""
        listed: list[dict[str, Any]] = self._repeat(
            lambda: self._http.get(f"/v1/packages/{package_id}/amendments")
        ).json()
        return listed

    def amendment(self, package_id: str, sequence: int) -> bytes:
        """One of them, sealed (CMS, DER)."""
        return self._repeat(lambda: self._http.get(f"/v1/packages/{package_id}/amendments/{sequence}")).content

    def fetch_document(self, package_id: str, number: int, sink: BinaryIO) -> str:
        """Writes a document into ``sink`` and returns its SHA-256 in hexadecimal; raises ``ReceivedDamaged``."""
        return self._download(f"/v1/packages/{package_id}/documents/{number}", sink)

    def fetch_aip(self, package_id: str, sink: BinaryIO) -> str:
        """Writes the sealed container into ``sink`` and returns its SHA-256 in hexadecimal."""
        return self._download(f"/v1/packages/{package_id}/aip", sink)

    def _post(self, metadata: Mapping[str, Any], documents: Sequence[Document], key: str) -> httpx.Response:
        with ExitStack() as stack:
            parts: list[tuple[str, Any]] = [
                ("metadata", (None, json.dumps(metadata).encode("utf-8"), "application/json"))
            ]
            for document in documents:
                stream = stack.enter_context(document.path.open("rb"))
                parts.append((document.role, (document.name, stream, document.media_type)))
            return self._http.post("/v1/deposits", files=parts, headers={"Idempotency-Key": key})

    def _settled(self, location: str, wait: float) -> dict[str, Any]:
        waited = 0.0
        while True:
            state: dict[str, Any] = self._repeat(lambda: self._http.get(location)).json()
            if state["state"] == "archived":
                receipt: dict[str, Any] = state["receipt"]
                return receipt
            if state["state"] == "rejected":
                raise ArchiveRefused(422, state["rejection"])
            if waited >= wait:
                return state
            self._pause(1.0)
            waited += 1.0

    def _repeat(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        for attempt in range(1, self._attempts + 1):
            seconds = min(2.0**attempt, 30.0)
            try:
                response = send()
            except httpx.TransportError:
                if attempt == self._attempts:
                    raise
            else:
                if response.is_success:
                    return response
                if not self._worth_repeating(response) or attempt == self._attempts:
                    raise ArchiveRefused(response.status_code, _problem(response))
                announced = response.headers.get("Retry-After", "")
                seconds = float(announced) if announced.isdigit() else seconds
            self._pause(seconds)
        raise AssertionError("every way out of the loop returns or raises")

    @staticmethod
    def _worth_repeating(response: httpx.Response) -> bool:
        if response.status_code == 409:
            return str(_problem(response).get("type", "")).endswith("in-flight")
        return response.status_code in _AGAIN

    def _download(self, path: str, sink: BinaryIO) -> str:
        digest, length = hashlib.sha256(), 0
        with self._http.stream("GET", path) as response:
            if not response.is_success:
                response.read()
                raise ArchiveRefused(response.status_code, _problem(response))
            for chunk in response.iter_bytes(_CHUNK):
                digest.update(chunk)
                length += len(chunk)
                sink.write(chunk)
        announced = response.headers.get("Repr-Digest")
        expected = f"sha-256=:{base64.b64encode(digest.digest()).decode('ascii')}:"
        if announced is not None and announced != expected:
            raise ReceivedDamaged("what arrived has another digest than the archive announced")
        if str(length) != response.headers.get("Content-Length", str(length)):
            raise ReceivedDamaged("what arrived has another length than the archive announced")
        return digest.hexdigest()


def _form(form: str, language: str, sealed: bool, document: int | None = None) -> dict[str, Any]:
    wanted = {"form": form, "document": document, "sealed": "true" if sealed else None}
    return {
        "params": {name: value for name, value in wanted.items() if value is not None},
        "headers": {"Accept-Language": language},
    }


def _problem(response: httpx.Response) -> dict[str, Any]:
    if response.headers.get("Content-Type", "").startswith(_PROBLEM):
        answer: dict[str, Any] = response.json()
        return answer
    return {"detail": response.reason_phrase}

"""A Producer that never gives up: it notes what it sends and what it hears, and repeats under the same key."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

_PATIENCE = 900.0
"""Seconds for one deposit: its archive is killed again and again meanwhile."""


class Producer:
    """Deposits one document after another until told to stop; then sees the last one through to its receipt."""

    def __init__(self, url: str, context: ssl.SSLContext, password: str, journal: Path, stop: threading.Event) -> None:
        self._stop, self._journal = stop, journal
        self._http = httpx.Client(base_url=url, verify=context, auth=("kis", password), timeout=30, trust_env=False)
        self._rest = threading.Event()
        if journal.exists() and not journal.read_bytes().endswith(b"\n"):
            with journal.open("a") as file:
                file.write("\n")  # after what an earlier campaign wrote in part

    def run(self) -> None:
        for key, content in self._unfinished():
            self._see_through(key, content)
        while not self._stop.is_set():
            key, content = str(uuid4()), os.urandom(20_000).hex()
            self._note({"sent": key, "content": content})
            self._see_through(key, content)

    def close(self) -> None:
        self._http.close()

    def ask_again(self) -> int:
        """Sends everything that has its receipt once more: the receipt must be the same. Returns how many."""
        contents = {line["sent"]: line["content"] for line in read_journal(self._journal) if "sent" in line}
        asked = 0
        for line in list(read_journal(self._journal)):
            if "archived" in line:
                answer = self._send(line["archived"], contents[line["archived"]])
                if hashlib.sha256(answer.content).hexdigest() != line["receipt"]:
                    self._note({"wrong": line["archived"], "status": answer.status_code, "text": "another receipt"})
                asked += 1
        return asked

    def _unfinished(self) -> list[tuple[str, str]]:
        """What an earlier run sent and never got a receipt for."""
        lines = list(read_journal(self._journal))
        done = {line["archived"] for line in lines if "archived" in line}
        return [(line["sent"], line["content"]) for line in lines if "sent" in line and line["sent"] not in done]

    def _see_through(self, key: str, content: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            try:
                answer = self._send(key, content)
            except httpx.HTTPError:
                self._rest.wait(0.05)
                continue
            if answer.status_code == 201:
                receipt = hashlib.sha256(answer.content).hexdigest()
                self._note({"archived": key, "deposit": answer.json()["depositId"], "receipt": receipt})
                return
            if answer.status_code == 202:
                self._note({"accepted": key, "deposit": answer.json()["depositId"]})
            elif answer.status_code not in (409, 503, 507):
                self._note({"wrong": key, "status": answer.status_code, "text": answer.text[:500]})
                return
            self._rest.wait(0.05)
        self._note({"wrong": key, "status": 0, "text": "no receipt after all this time"})

    def _send(self, key: str, content: str) -> httpx.Response:
        return self._http.post(
            "/v1/deposits",
            files=[
                ("metadata", (None, _metadata(key), "application/json")),
                ("document", ("d.bin", content.encode(), "application/octet-stream")),
            ],
            headers={"Idempotency-Key": key},
        )

    def _note(self, line: dict[str, Any]) -> None:
        with self._journal.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def read_journal(journal: Path) -> Iterator[dict[str, Any]]:
    """Every whole line; a campaign that was itself stopped may have left a part of one."""
    if journal.exists():
        yield from (json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}"))


def _metadata(key: str) -> bytes:
    value = {
        "title": "campaign",
        "documentType": "d",
        "retentionClass": "medical-record",
        "externalId": {"producer": "campaign", "id": key},
    }
    return json.dumps(value).encode()

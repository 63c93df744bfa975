"""A Producer that never gives up: it notes what it sends and what it hears, and repeats under the same key."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

_PATIENCE = 20_000


class Producer:
    """Deposits one document after another until told to stop; then sees the last one through to its receipt."""

    def __init__(self, url: str, context: ssl.SSLContext, password: str, journal: Path, stop: threading.Event) -> None:
        self._stop, self._journal = stop, journal
        self._http = httpx.Client(base_url=url, verify=context, auth=("kis", password), timeout=30, trust_env=False)
        self._rest = threading.Event()

    def run(self) -> None:
        for key, content in self._unfinished():
            self._see_through(key, content)
        while not self._stop.is_set():
            key, content = str(uuid4()), os.urandom(20_000).hex()
            self._note({"sent": key, "content": content})
            self._see_through(key, content)
        self._http.close()

    def _unfinished(self) -> list[tuple[str, str]]:
        """What an earlier run sent and never got a receipt for."""
        if not self._journal.exists():
            return []
        lines = [json.loads(line) for line in self._journal.read_text().splitlines() if line.endswith("}")]
        done = {line["archived"] for line in lines if "archived" in line}
        return [(line["sent"], line["content"]) for line in lines if "sent" in line and line["sent"] not in done]

    def _see_through(self, key: str, content: str) -> None:
        for _ in range(_PATIENCE):
            try:
                answer = self._http.post(
                    "/v1/deposits",
                    files=[
                        ("metadata", (None, _metadata(key), "application/json")),
                        ("document", ("d.bin", content.encode(), "application/octet-stream")),
                    ],
                    headers={"Idempotency-Key": key},
                )
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

    def _note(self, line: dict[str, Any]) -> None:
        with self._journal.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _metadata(key: str) -> bytes:
    value = {
        "title": "campaign",
        "documentType": "d",
        "retentionClass": "medical-record",
        "externalId": {"producer": "campaign", "id": key},
    }
    return json.dumps(value).encode()

"""Examiners for tests, and the real one without worker processes; see ``zdda.ingest.workshop.Examiner``."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.simulator.archive import UnsignedDocuments
from zdda.ingest.examination import AskRevocation, FetchIssuers, WorkerExaminer
from zdda.ingest.workshop import Examination
from zdda.model.clock import FixedClock
from zdda.model.identifiers import tenant_id
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.spool import Spool
from zdda.trust.anchors import TrustAnchors

KEY = b"\x01" * 32
PACKAGE = UUID(int=7)


class PoolHere:
    """The worker pool's interface without processes; requests and answers go through JSON as they do there."""

    def call(self, function: str, argument: Any) -> Any:
        module, _, name = function.partition(":")
        work = getattr(importlib.import_module(module), name)
        return json.loads(json.dumps(work(json.loads(json.dumps(argument)))))


class LateExaminer:
    """The real one, made once the archive's spool is there."""

    inner: WorkerExaminer

    def examine(self, *arguments: Any) -> Examination:
        return self.inner.examine(*arguments)


class NotAllAsked(UnsignedDocuments):
    """Of each document in turn so many questions were not asked; of later ones none."""

    def __init__(self, *unasked: int) -> None:
        self._unasked = list(unasked)

    def examine(self, *arguments: Any) -> Examination:
        return replace(super().examine(*arguments), unasked=self._unasked.pop(0) if self._unasked else 0)


def examiner_here(
    spool: Spool, anchors: TrustAnchors, ask: AskRevocation, at: datetime, fetch_issuers: FetchIssuers = lambda _: ()
) -> WorkerExaminer:
    """The real one in this process, at one moment."""
    return WorkerExaminer(PoolHere(), spool, anchors, ask, FixedClock(at), fetch_issuers)  # type: ignore[arg-type]


def spooled(spool: Spool, documents: Sequence[bytes]) -> list[tuple[str, ObjectName]]:
    """Writes documents as those of one deposit, under ``KEY``."""
    names = []
    for number, data in enumerate(documents, 1):
        name = ObjectName(tenant_id("hospital"), PACKAGE, ObjectKind.SPOOLED_DOCUMENT, number)
        file = spool.encrypting(f"d.{number}", KEY, name, os.urandom)
        file.write(data)
        file.finish()
        names.append((f"d.{number}", name))
    return names


def examined(
    folder: Path,
    documents: Sequence[bytes],
    anchors: TrustAnchors,
    ask: AskRevocation,
    at: datetime,
    fetch_issuers: FetchIssuers = lambda _: (),
    media_type: str = "application/pdf",
) -> Examination:
    """The first document's examination, the others beside it."""
    spool = Spool(folder)
    (file, name), *siblings = spooled(spool, documents)
    return examiner_here(spool, anchors, ask, at, fetch_issuers).examine(file, KEY, name, media_type, siblings)

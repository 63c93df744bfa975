"""Whether each part of a running archive answers."""

from __future__ import annotations

import structlog
from sqlalchemy import Engine

from zdda.crypto.signing import Signer
from zdda.database.engine import answers
from zdda.jobs.runner import Runner
from zdda.jobs.worker_pool import WorkerPool
from zdda.storage.object_store import ObjectStore

_log = structlog.get_logger(__name__)


class ArchiveHealth:
    """See ``zdda.model.views.Health``."""

    def __init__(self, engine: Engine, store: ObjectStore, runner: Runner, pool: WorkerPool, signer: Signer) -> None:
        self._engine, self._store, self._runner, self._pool, self._signer = engine, store, runner, pool, signer

    def ready(self) -> dict[str, str | None]:
        return {
            "catalog": None if answers(self._engine) else "does not answer",
            "store": None if self._store.answers() else "does not answer",
            "signer": None if self._signs() else "does not sign",
            "runner": None if self._runner.alive() else "does not run",
            "workers": None if self._pool.answers() else "do not answer",
        }

    def sites(self) -> dict[str, bool]:
        return self._store.answering()

    def _signs(self) -> bool:
        try:
            return bool(self._signer.sign(b"ready?"))
        except Exception as error:  # noqa: BLE001 - whatever the signer raises, it does not sign
            _log.error("signer-failed", error=type(error).__name__)
            return False

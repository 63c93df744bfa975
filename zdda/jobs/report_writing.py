"""Reports written in a worker process: the names in them come out of hostile certificates."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Protocol

from zdda.jobs.worker_pool import WorkerFailed, WorkerPool, WorkerRefused
from zdda.model.errors import Unavailable
from zdda.validation.forms import Form, Language, data_needed, written

FUNCTION = "zdda.jobs.report_writing:written_here"
MODULES = ("zdda.jobs.report_writing",)


class ReportWriter(Protocol):
    """See ``zdda.validation.forms.written``. May raise ``Unavailable``."""

    def __call__(
        self,
        report: Mapping[str, Any],
        data: Mapping[str, bytes],
        form: Form,
        language: Language = Language.ENGLISH,
        document_sha256: str | None = None,
        name: str | None = None,
    ) -> bytes: ...


class WorkerReportWriter:
    """See ``ReportWriter``."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    def __call__(
        self,
        report: Mapping[str, Any],
        data: Mapping[str, bytes],
        form: Form,
        language: Language = Language.ENGLISH,
        document_sha256: str | None = None,
        name: str | None = None,
    ) -> bytes:
        if form is Form.DETAILED:
            return written(report, {}, form)
        request = {
            "report": report,
            "data": {
                sha256: base64.b64encode(data[sha256]).decode("ascii")
                for _, sha256 in data_needed(report, form)
                if sha256 in data
            },
            "form": form.value,
            "language": language.value,
            "sha256": document_sha256,
            "name": name,
        }
        try:
            return str(self._pool.call(FUNCTION, request)).encode("utf-8")
        except (WorkerFailed, WorkerRefused) as error:
            raise Unavailable("the report could not be written in this form") from error


def written_here(request: dict[str, Any]) -> str:
    """Runs in a worker; see ``WorkerReportWriter`` for the members."""
    data = {sha256: base64.b64decode(text) for sha256, text in request["data"].items()}
    form, language = Form(request["form"]), Language(request["language"])
    return written(request["report"], data, form, language, request["sha256"], request["name"]).decode("utf-8")

"""Structured logs: one JSON object a line on standard error, a correlation id in each line of a request."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

_FRAMES = 40
_QUOTED = ("uvicorn", "asyncio")


def configure_logs(level: str, file: TextIO = sys.stderr) -> None:
    """From now on lines below ``level`` are not written, the others to ``file``."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _where_it_happened,
            structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [each for each in root.handlers if not isinstance(each, _FromLibraries)]
    root.addHandler(_FromLibraries(logging.WARNING))


class _FromLibraries(logging.Handler):
    """Warnings that libraries log the standard way, in the same form. Only of those that never see content is the
    text kept, without its values; of the others the place."""

    def emit(self, record: logging.LogRecord) -> None:
        line: dict[str, Any] = {"logger": record.name, "at": f"{record.funcName}:{record.lineno}"}
        if record.name.partition(".")[0] in _QUOTED:
            line["text"] = str(record.msg).strip()
        if record.exc_info:
            line["exc_info"] = record.exc_info[1]
        structlog.get_logger().log(max(record.levelno, logging.WARNING), "library", **line)


def _where_it_happened(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """An exception as types and places. Its message is left out: a library's may quote a row or a document."""
    wanted = line.pop("exc_info", None)
    error = sys.exc_info()[1] if wanted is True else wanted
    if isinstance(error, BaseException):
        line["exceptions"] = list(_chain(error))
    return line


def _chain(error: BaseException | None) -> Iterator[dict[str, Any]]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        places = [f"{frame.filename.rpartition('/zdda/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
        yield {"type": type(error).__name__, "at": places}
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)

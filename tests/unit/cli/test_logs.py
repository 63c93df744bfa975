from __future__ import annotations

import io
import json
import logging

import structlog

from zdda.cli.logs import configure_logs


def test_an_exception_is_logged_without_what_it_says() -> None:
    kept = structlog.get_config()
    out = io.StringIO()
    try:
        configure_logs("info", out)
        log = structlog.get_logger()
        log.debug("not-written")
        try:
            try:
                raise ValueError("birth number 8001011234")
            except ValueError as error:
                raise RuntimeError("Jan Novák") from error
        except RuntimeError:
            log.error("failed", exc_info=True)
    finally:
        structlog.configure(**kept)
    (line,) = out.getvalue().splitlines()
    value = json.loads(line)
    assert value["event"] == "failed"
    assert [each["type"] for each in value["exceptions"]] == ["RuntimeError", "ValueError"]
    assert "test_logs.py" in value["exceptions"][0]["at"][0]
    assert "8001011234" not in line
    assert "Novák" not in line


def test_what_libraries_log_has_the_same_form_and_no_values() -> None:
    kept, root = structlog.get_config(), logging.getLogger()
    handlers = list(root.handlers)
    out = io.StringIO()
    try:
        configure_logs("info", out)
        configure_logs("info", out)  # once more changes nothing
        logging.getLogger("uvicorn.error").warning("Invalid request from %s", "8001011234")
        logging.getLogger("somelibrary.parser").error("cannot read Jan Novák")
        logging.getLogger("somelibrary.parser").info("not written")
    finally:
        structlog.configure(**kept)
        root.handlers = handlers
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["event"], first["level"], first["text"]) == ("library", "warning", "Invalid request from %s")
    assert (second["logger"], second["level"]) == ("somelibrary.parser", "error")
    assert "8001011234" not in out.getvalue()
    assert "Novák" not in out.getvalue()

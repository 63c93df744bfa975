"""Statements on a deposit's way are compiled once in a process's life: compiling one costs more than executing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine.interfaces import CacheStats

from tests.simulator.archive import make_archive


def test_no_statement_of_the_second_deposit_is_compiled_again(tmp_path: Path) -> None:
    archive = make_archive(tmp_path)
    compiled: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool) -> None:
        if context.compiled is not None and context.cache_hit is not CacheStats.CACHE_HIT:
            compiled.append(statement)

    for number in range(3):  # the third, since the first batch finds no amendment of an earlier one to cover
        if number == 2:
            event.listen(archive.archive.engine, "before_cursor_execute", note)
        archive.deposit([b"content"])
        archive.settle()
    archive.close()
    assert compiled == []

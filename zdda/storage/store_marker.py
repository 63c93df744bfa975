"""``zdda-store.json``: says whose store a folder is, so that two archives never share one by mistake."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zdda.model.canonical_json import canonical_json, parse_json
from zdda.storage.blob_store import StoreNotGuaranteed, WrongStore
from zdda.storage.durable_files import make_folder, write_once

NAME = "zdda-store.json"
FORMAT = "zdda-store/1"
ABSENT = "the store's marker is not there or cannot be read"


def marker(archive: str, tenants: Iterable[str]) -> bytes:
    """The marker's bytes."""
    return canonical_json({"format": FORMAT, "archive": archive, "tenants": sorted(set(tenants))})


def claim_store(folder: Path, archive: str, tenants: Iterable[str]) -> None:
    """Marks a folder as this archive's, or checks that it is; raises ``WrongStore``, and ``StoreNotGuaranteed`` for a
    folder in which nothing can be marked: no rights, or a file system without hard links."""
    wanted = marker(archive, tenants)
    try:
        make_folder(folder)
        if write_once(folder / NAME, wanted, 0o400):
            return
    except OSError as error:
        raise StoreNotGuaranteed(f"the store's folder cannot be marked as the archive's: {error.strerror}") from error
    problem = check_store(folder, archive, tenants)
    if problem is not None:
        raise WrongStore(problem)


def check_store(folder: Path, archive: str, tenants: Iterable[str]) -> str | None:
    """What is wrong with the marker; None where the store is this archive's. Writes nothing."""
    try:
        data = (folder / NAME).read_bytes()
    except OSError:
        return ABSENT
    return problem_of(data, archive, tenants)


def problem_of(data: bytes, archive: str, tenants: Iterable[str]) -> str | None:
    """What is wrong with the marker's bytes; None where the store is this archive's."""
    try:
        value: Any = parse_json(data, 1024 * 1024)
        mine = value["format"] == FORMAT and value["archive"] == archive and set(tenants) <= set(value["tenants"])
    except (ValueError, TypeError, KeyError):
        return "the store's marker is damaged"
    return None if mine else "the store belongs to another archive, or not to this tenant"

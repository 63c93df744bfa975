"""``zdda validate --replay``: the sealed verdicts of a package, made again in a process of their own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from zdda.fsck.replay import CannotReplay, PackageReplay
from zdda.jobs.worker_pool import WorkerFailed, WorkerLimits, WorkerPool, WorkerRefused
from zdda.packaging.aip_reader import Aip, open_aip
from zdda.packaging.amendment import LIMIT as AMENDMENT_LIMIT
from zdda.packaging.amendment import read_amendment
from zdda.packaging.errors import PackageError
from zdda.packaging.renewed_validation import RenewedValidation
from zdda.signatures.certificate_names import shown
from zdda.signatures.errors import FormatError
from zdda.trust.anchors import MAXIMUM_FILE, TrustAnchors

FUNCTION = "zdda.cli.replay:replay_file"
MODULES = ("zdda.cli.replay",)
LIMITS = WorkerLimits(cpu_seconds=600, wall_seconds=900.0)
_MOST_SHOWN = 200


def replay_package(
    package: Path, trust_anchors: Sequence[Path], number: int | None, as_json: bool, amendment: Path | None = None
) -> int:
    """Prints what was found and gives the exit status: 0 the same, 1 it differs, 3 it could not be repeated."""
    request = {
        "package": str(package),
        "trust_anchors": [str(path) for path in trust_anchors],
        "document": number,
        "amendment": None if amendment is None else str(amendment),
    }
    pool = WorkerPool(1, LIMITS, MODULES)
    try:
        answer = pool.call(FUNCTION, request)
    except WorkerFailed as error:
        answer = {"error": f"the worker failed: {error.details.get('reason')}"}
    except WorkerRefused as error:
        answer = {"error": f"{error.details.get('code')}: {error}"}
    finally:
        pool.close()
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False))
    else:
        _print(answer)
    return exit_status(answer)


def exit_status(answer: dict[str, Any]) -> int:
    found = answer.get("documents", ())
    if "error" in answer or not found or any("error" in each for each in found):
        return 3
    return 0 if all(each["same"] for each in found) else 1


def replay_file(request: dict[str, Any]) -> dict[str, Any]:
    """Runs in a worker. Members of ``request``: ``package``, ``trust_anchors`` (paths), ``document`` (number or null),
    ``amendment`` (path or null: the reports that it holds, not the sealed ones).

    Answers ``{"documents": [a replay, or {"document": …, "error": why}…]}``, or ``{"error": why}``.
    """
    try:
        anchors = TrustAnchors.load(_small(Path(path)) for path in request["trust_anchors"])
    except (OSError, FormatError) as error:
        return {"error": f"a trust anchor cannot be read: {_reason(error)}"}
    try:
        with open(request["package"], "rb") as source:
            package = open_aip(source)
            package.check_seal()
            if request["amendment"] is not None:
                return _of_amendment(package, anchors, Path(request["amendment"]))
            wanted = request["document"]
            numbers = range(1, len(package.documents) + 1) if wanted is None else (wanted,)
            replay = PackageReplay(package, anchors)
            return {"documents": [_one(replay, number) for number in numbers]}
    except OSError as error:
        return {"error": f"the package or the amendment cannot be read: {_reason(error)}"}
    except PackageError as error:
        return {"error": f"the package or the amendment is damaged: {error}"}


def _one(replay: PackageReplay, number: int) -> dict[str, Any]:
    try:
        return replay.document(number).as_json()
    except CannotReplay as error:
        return {"document": number, "error": str(error), **error.details}


def _of_amendment(package: Aip, anchors: TrustAnchors, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        amendment, _ = read_amendment(file.read(AMENDMENT_LIMIT + 1))
    if not isinstance(amendment.body, RenewedValidation):
        return {"error": "the amendment holds no validation reports"}
    if [each.package for each in amendment.packages] != [package.package_id]:
        return {"error": "the amendment is one of another package"}
    try:
        return {"documents": [each.as_json() for each in PackageReplay(package, anchors).renewed(amendment.body)]}
    except CannotReplay as error:
        return {"error": str(error)}


def _small(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAXIMUM_FILE + 1)


def _reason(error: Exception) -> str:
    return error.strerror or "input error" if isinstance(error, OSError) else str(error)


def _print(answer: dict[str, Any]) -> None:
    console, complaints = (
        Console(highlight=False, soft_wrap=True),
        Console(stderr=True, highlight=False, soft_wrap=True),
    )
    if "error" in answer:
        complaints.print(f"Could not repeat: {shown(answer['error'])}", style="magenta", markup=False)
        return
    for each in answer["documents"]:
        name = f"Document {each['document']}"
        if "error" in each:
            complaints.print(f"{name}: could not repeat: {each['error']}", style="magenta", markup=False)
            for digest in each.get("missing", ()):
                complaints.print(f"  anchor SHA-256 {shown(digest)}", markup=False)
            continue
        version = "the same version" if each["sameVersion"] else "another version of the rules"
        outcome = "the same result" if each["same"] else "ANOTHER RESULT"
        style = "bold red" if not each["same"] else "yellow" if each["ownRules"] else "green"
        console.print(f"{name}: {outcome} by {version}", style=style, markup=False)
        if each["ownRules"]:
            policy = each["policy"]
            console.print("  by the package's own rules, which are not those of this release:", markup=False)
            console.print(f"  policy {shown(policy['name'])}, SHA-256 {policy['sha256']}", markup=False)
        for difference in each["differences"][:_MOST_SHOWN]:
            before, after = (shown(json.dumps(difference[part], ensure_ascii=False)) for part in ("before", "after"))
            console.print(f"  {difference['kind']} {shown(difference['where'])}: {before} -> {after}", markup=False)
        if len(each["differences"]) > _MOST_SHOWN:
            console.print(f"  … and {len(each['differences']) - _MOST_SHOWN} more", markup=False)

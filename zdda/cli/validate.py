"""``zdda validate``: what the signatures of documents are worth, at a moment, under given trust anchors."""

from __future__ import annotations

import json as json_module
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from zdda.cli.replay import replay_package
from zdda.cli.validation_worker import FUNCTION, MODULES, batch_answer
from zdda.jobs.worker_pool import WorkerFailed, WorkerLimits, WorkerPool, WorkerRefused
from zdda.model.clock import Clock, SystemClock, format_time, parse_time
from zdda.validation.forms import Form, Language

LIMITS = WorkerLimits(cpu_seconds=60, wall_seconds=120.0)
_LONGEST_LINE = 1024 * 1024
_CHANGES = {
    "annotations-or-form-filling": "after signing: annotations, form filling or further signatures",
    "content": "after signing: the content was changed",
    "not-determined": "after signing: the document was changed, in what way could not be determined",
}
_STYLES = {"TOTAL_PASSED": "green", "PASSED": "green", "TOTAL_FAILED": "bold red", "FAILED": "bold red"}


def validate(
    files: Annotated[list[Path] | None, typer.Argument(help="Documents to validate.")] = None,
    at: Annotated[str | None, typer.Option(help="The moment to judge at (RFC 3339); by default now.")] = None,
    trust_anchor: Annotated[
        list[Path] | None, typer.Option(help="Certificate to trust, PEM or DER; may be given several times.")
    ] = None,
    detached: Annotated[
        list[Path] | None, typer.Option(help="Candidate for detached content; may be given several times.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Validation policy (TOML): what differs from the shipped one.")
    ] = None,
    algorithms: Annotated[
        Path | None, typer.Option(help="Algorithm catalogue, JSON of ETSI TS 119 322; by default the shipped one.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print each report as one line of JSON.")] = False,
    report: Annotated[
        Form | None, typer.Option(help="Print this form of the report: JSON, XML of ETSI TS 119 102-2, text or a page.")
    ] = None,
    language: Annotated[Language, typer.Option(help="Of the forms text and html.")] = Language.ENGLISH,
    replay: Annotated[
        Path | None, typer.Option(help="Package (.asice) whose sealed reports are to be made again and compared.")
    ] = None,
    document: Annotated[
        int | None, typer.Option(min=1, help="With --replay: the number of one document; by default all.")
    ] = None,
    amendment: Annotated[
        Path | None, typer.Option(help="With --replay: an amendment (.p7m) whose reports are made again instead.")
    ] = None,
    batch: Annotated[
        Path | None, typer.Option(help="File of requests, one JSON object a line; answers in the same order.")
    ] = None,
) -> None:
    """Validate the signatures of documents after EN 319 102-1.

    With --report the report itself goes to standard output, with --replay documents of a package are validated again
    from what the package pins. Exit status: 0 every document is signed and TOTAL_PASSED, 1 one is TOTAL_FAILED, 2 one
    is INDETERMINATE, not signed or not validated, 3 a file cannot be read; with --replay: 0 the result is the same,
    1 it differs, 3 it could not be repeated.
    """
    if sum((batch is not None, bool(files), replay is not None)) != 1:
        raise typer.BadParameter("give documents, or --batch, or --replay")
    if document is not None and replay is None:
        raise typer.BadParameter("--document belongs to --replay")
    if amendment is not None and (replay is None or document is not None):
        raise typer.BadParameter("--amendment belongs to --replay, without --document")
    if replay is not None:
        if at is not None or detached or report is not None or policy is not None or algorithms is not None:
            raise typer.BadParameter("--replay takes its moment and its data from the package")
        raise typer.Exit(replay_package(replay, trust_anchor or [], document, json, amendment))
    if report is not None and (json or batch is not None or len(files or ()) > 1):
        raise typer.BadParameter("--report is for one document, without --json and --batch")
    if batch is not None and (policy is not None or algorithms is not None):
        raise typer.BadParameter("with --batch each request names its own policy and algorithms")
    if batch is not None:
        with batch.open("r", encoding="utf-8") as lines:
            for line in answer_batch(lines, SystemClock()):
                typer.echo(line)
        return
    try:
        moment = moment_of(at, SystemClock())
    except ValueError as error:
        raise typer.BadParameter("--at is no time with a zone (RFC 3339)") from error
    requests = [
        {
            "document": str(path),
            "detached": [str(other) for other in detached or ()],
            "trust_anchors": [str(anchor) for anchor in trust_anchor or ()],
            "at": moment,
            **_rules(policy, algorithms),
        }
        for path in files or ()
    ]
    if report is not None:
        requests = [{**request, "form": report.value, "language": language.value} for request in requests]
    answers = list(_in_workers(requests, lambda _, answer: answer))
    for path, answer in zip(files or (), answers, strict=True):
        if report is not None and "written" in answer:
            typer.echo(answer["written"].encode("utf-8"), nl=report in (Form.SIMPLE, Form.DETAILED))
        elif json:
            content = answer.get("report") or {"error": answer["error"]}
            typer.echo(json_module.dumps({"document": str(path), **content}, ensure_ascii=False))
        else:
            _print(path, answer)
    raise typer.Exit(max((exit_status(answer) for answer in answers), key=_SEVERITY.index))


def _rules(policy: object, algorithms: object) -> dict[str, str]:
    return {name: str(path) for name, path in (("policy", policy), ("algorithms", algorithms)) if path is not None}


_SEVERITY = [0, 2, 1, 3]


def exit_status(answer: dict[str, Any]) -> int:
    """Of one document; the worst of several is the command's."""
    if "error" in answer:
        return 3
    return {"TOTAL_PASSED": 0, "TOTAL_FAILED": 1}.get(answer["worst"] or "", 2)


def moment_of(at: str | None, clock: Clock) -> str:
    """The validation time as RFC 3339; raises ``ValueError`` for a text that is none."""
    return format_time(clock.now() if at is None else parse_time(at))


def answer_batch(lines: Iterable[str], clock: Clock) -> Iterator[str]:
    """One line of JSON for each request, in the same order; a request that is none is answered, too."""
    requests = [_request(line, clock) for line in lines if line.strip()]
    for answer in _in_workers(requests, batch_answer):
        yield json_module.dumps(answer, ensure_ascii=False)


def _request(line: str, clock: Clock) -> dict[str, Any]:
    try:
        if len(line) > _LONGEST_LINE:
            raise ValueError("too long")
        given = json_module.loads(line)
        return {
            "document": str(given["document"]),
            "detached": [str(path) for path in given.get("detached", ())],
            "trust_anchors": [str(path) for path in given.get("trust_anchors", ())],
            "at": moment_of(given.get("at"), clock),
            **_rules(given.get("policy"), given.get("algorithms")),
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {"document": "", "error": "the request cannot be read"}


def _in_workers(
    requests: list[dict[str, Any]], shape: Callable[[str, dict[str, Any]], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Answers in the order of the requests; each document is parsed in a process that can be killed."""
    size = max(1, min(os.cpu_count() or 1, 8, len(requests)))
    pool = WorkerPool(size, LIMITS, MODULES)

    def call(request: dict[str, Any]) -> dict[str, Any]:
        if "error" in request:
            return shape(request["document"], {"error": request["error"]})
        try:
            answer = pool.call(FUNCTION, request)
        except WorkerFailed as error:
            answer = {"error": f"internal: the worker failed: {error.details.get('reason')}"}
        except WorkerRefused as error:
            answer = {"error": f"{error.details.get('code')}: {error}"}
        return shape(request["document"], answer)

    try:
        with ThreadPoolExecutor(size) as threads:
            yield from threads.map(call, requests)
    finally:
        pool.close()


def _print(path: Path, answer: dict[str, Any]) -> None:
    console = Console(highlight=False)
    if "error" in answer:
        Console(stderr=True).print(f"{path.name}: {answer['error']}", style="magenta", markup=False)
        return
    report = answer["report"]
    for reason in (report["refused"], report["notValidated"]):
        if reason is not None:
            text = reason["message"]["en"] if "message" in reason else reason["detail"]
            console.print(f"{path.name}: {reason['code']}: {text}", style="yellow", markup=False)
            return
    if not report["signatures"] and not report["timestamps"]:
        console.print(f"{path.name}: no signature", markup=False)
        return
    table = Table(title=path.name, title_justify="left")
    for heading in ("what", "indication", "sub-indication", "time", "why"):
        table.add_column(heading)
    for item in report["signatures"]:
        _row(table, item["format"], item, item["bestSignatureTime"])
        if item["changesAfterSigning"] not in (None, "nothing"):
            table.add_row("", "", "", "", _CHANGES[item["changesAfterSigning"]])
    for item in report["timestamps"]:
        _row(table, item["type"], item, item["time"])
    console.print(table)


def _row(table: Table, name: str, item: dict[str, Any], time: str | None) -> None:
    style = _STYLES.get(item["indication"], "yellow")
    why = "; ".join(
        dict.fromkeys(
            record["message"]["en"]
            for block in item["buildingBlocks"]
            for record in block["constraints"]
            if record["status"] == "not-ok"
        )
    )
    indication = f"[{style}]{item['indication']}[/{style}]"
    table.add_row(name, indication, item["subindication"] or "", time or "", why)


def main() -> None:
    """``python -m zdda.cli.validate [validate] …``: the verb alone, for programs that drive the batch interface."""
    import sys

    if sys.argv[1:2] == ["validate"]:
        del sys.argv[1]
    typer.run(validate)


if __name__ == "__main__":
    main()

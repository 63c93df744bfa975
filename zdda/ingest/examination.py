"""Examines documents in worker processes: what format they are, what their signatures are worth.

``examine_here`` runs inside a worker; it alone touches the document's bytes. Everything it answers is JSON.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from zdda.crypto.streaming_aead import DecryptingReader
from zdda.ingest.intake_policy import Standing
from zdda.ingest.workshop import Examination
from zdda.jobs.worker_pool import WorkerFailed, WorkerPool, WorkerRefused
from zdda.model.canonical_json import parse_canonical
from zdda.model.clock import Clock, format_time, parse_time
from zdda.model.errors import Unavailable
from zdda.model.identifiers import tenant_id
from zdda.model.objects import ObjectKind, ObjectName
from zdda.signatures.identification import identify
from zdda.signatures.late_stream import LateStream
from zdda.storage.spool import Spool
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathStatus
from zdda.trust.revocation import RevocationData
from zdda.trust.revocation_client import Answers
from zdda.validation.validate import validate_document

FUNCTION = "zdda.ingest.examination:examine_here"
MODULES = ("zdda.ingest.examination",)
_WINDOW = 64 * 1024
_OURS = frozenset({"unavailable", "not-found", "integrity"})
"""Codes of what is wrong with the spool, not with the document."""

_ASKED_ABOUT = (Standing.INDETERMINATE, Standing.TOTAL_PASSED)
_NONE = RevocationData()
_MOST_GIVEN = 256 * 1024
"""Bytes of revocation data that a document is given before anybody knows whether it needs them."""

_log = structlog.get_logger(__name__)

AskRevocation = Callable[[Sequence[bytes]], Answers]
"""Given certificates (DER), the weightiest first, what their issuers say of them; empty where nobody may be asked."""

FetchIssuers = Callable[[Sequence[bytes]], tuple[bytes, ...]]
"""Given certificates (DER), those of issuers that are not among them; none where nobody may be asked."""


class WorkerExaminer:
    """See ``zdda.ingest.workshop.Examiner``.

    A document whose paths lack certificates or whose verdict waits for revocation data is examined again with what
    ``ask`` and ``fetch_issuers`` bring: fetching is done here, so that no worker that has seen hostile bytes speaks
    to the network.

    Documents that come together are often of one signer or one CA: what the last one's paths needed is given to the
    next from the start. Where that is all that its own paths need, asked now, one examination is enough; where not,
    there is another with the right data, and nothing of the first is kept.
    """

    def __init__(
        self,
        pool: WorkerPool,
        spool: Spool,
        anchors: TrustAnchors,
        ask: AskRevocation,
        clock: Clock,
        fetch_issuers: FetchIssuers = lambda _: (),
    ) -> None:
        self._pool, self._spool, self._anchors, self._clock = pool, spool, anchors, clock
        self._ask, self._fetch_issuers = ask, fetch_issuers
        self._lately = _NONE

    def examine(
        self,
        spool_file: str,
        key: bytes,
        name: ObjectName,
        media_type: str,
        siblings: Sequence[tuple[str, ObjectName]] = (),
    ) -> Examination:
        call = partial(self._call, spool_file, key, name, media_type, siblings)
        given = self._lately
        first = call((), given)
        if given != _NONE and first.verdict not in (*_ASKED_ABOUT, Standing.NO_SIGNATURE):
            given = _NONE  # what another document's paths needed must not decide this one
            first = call((), _NONE)
        if first.verdict not in _ASKED_ABOUT:
            return first
        led_to = self._fetch_issuers(_on_paths(first, incomplete=True))
        issuers = tuple(der for der in led_to if der not in self._anchors)
        if issuers:
            given = _NONE
            first = call(issuers, _NONE)
        answers = self._ask(_on_paths(first))  # a passed one too: what it carries may be out of date
        fetched = answers.revocation
        found = first if fetched == given else call(issuers, fetched)
        if found.verdict in _ASKED_ABOUT and sum(map(len, fetched.crls + fetched.ocsps)) <= _MOST_GIVEN:
            self._lately = fetched
        return replace(found, unasked=answers.unasked)

    def _call(
        self,
        spool_file: str,
        key: bytes,
        name: ObjectName,
        media_type: str,
        siblings: Sequence[tuple[str, ObjectName]],
        certificates: Sequence[bytes],
        revocation: RevocationData,
    ) -> Examination:
        request = {
            "path": str(self._spool.path(spool_file)),
            "key": _text(key),
            "tenant": name.tenant,
            "package": str(name.package),
            "sequence": name.sequence,
            "mediaType": media_type,
            "siblings": [
                {"path": str(self._spool.path(file)), "sequence": sibling.sequence} for file, sibling in siblings
            ],
            "anchors": [_text(der) for der in self._anchors.certificates],
            "certificates": [_text(der) for der in certificates],
            "crls": [_text(der) for der in revocation.crls],
            "ocsps": [_text(der) for der in revocation.ocsps],
            "at": format_time(self._clock.now()),
        }
        try:
            answer = self._answer(request)
        except WorkerRefused as error:
            if error.details.get("code") in _OURS:
                raise Unavailable("the spool cannot be read") from error
            return _not_validated(str(error.details.get("code")))
        except WorkerFailed as error:
            _log.error("not-validated", reason=error.details.get("reason"), error=str(error))
            return _not_validated(str(error.details.get("reason")))
        text = answer["report"]
        try:
            report, canonical = parse_canonical(text), text.encode("utf-8")
        except ValueError:  # such a report would not be the one that everybody else reads
            _log.error("not-validated", reason="report-not-canonical")
            return _not_validated("internal")
        return Examination(
            puid=answer["puid"],
            format_name=answer["format"],
            verdict=Standing(answer["verdict"]),
            report=report,
            canonical=canonical,
            validation_data=tuple((role, base64.b64decode(data)) for role, data in answer["data"]),
            unreadable=answer["unreadable"],
        )

    def _answer(self, request: dict[str, Any]) -> Any:
        """The worker's answer. A worker that merely died is given a second chance: it may have been another's fault."""
        try:
            return self._pool.call(FUNCTION, request)
        except WorkerFailed as error:
            if error.details.get("reason") != "crashed":
                raise
        return self._pool.call(FUNCTION, request)


def _on_paths(examined: Examination, incomplete: bool = False) -> list[bytes]:
    """The certificates of the paths that the verdicts rest on, and no others that a document may bring along; of
    those only that reach no anchor, where asked for the ``incomplete``.

    What bears the most comes first, since only so many are asked about and a document may bring paths without end:
    what reaches an anchor before what does not, a document's own signatures before timestamps and these before
    counter-signatures, signers and timestamp authorities before CAs.
    """
    signatures = examined.report.get("signatures", ())
    listed = [
        *((2 if each["counter"] else 0, each) for each in signatures),
        *((1, each) for each in examined.report.get("timestamps", ())),
    ]
    if incomplete:
        listed = [(rank, each) for rank, each in listed if each["pathStatus"] == PathStatus.NO_PATH]
    ranked = sorted(
        (each["pathStatus"] == PathStatus.NO_PATH, depth > 0, rank, number, depth, digest)
        for number, (rank, each) in enumerate(listed)
        for depth, digest in enumerate(each["certificatePath"])
    )
    wanted = dict.fromkeys(item[-1] for item in ranked)
    known = {hashlib.sha256(data).hexdigest(): data for role, data in examined.validation_data if role == "certificate"}
    return [known[digest] for digest in wanted if digest in known]


def _not_validated(reason: str) -> Examination:
    """The answer when a worker gave none: the document is kept, and nothing is claimed of it."""
    report = {"format": "zdda-not-validated/1", "reason": reason}
    return Examination(None, None, Standing.NOT_VALIDATED, report, ())


def examine_here(request: dict[str, Any]) -> dict[str, Any]:
    """Examines one spooled document in this process; see ``WorkerExaminer`` for the members.

    Raises ``Unavailable`` or ``IntegrityError`` where the spool, not the document, is at fault.
    """
    try:
        return _examine(request)
    except OSError as error:
        raise Unavailable("the spool cannot be read") from error


def _examine(request: dict[str, Any]) -> dict[str, Any]:
    with ExitStack() as stack:
        document = stack.enter_context(closing(_opened(request, request["path"], request["sequence"])))
        siblings = [
            stack.enter_context(LateStream(partial(_opened, request, sibling["path"], sibling["sequence"])))
            for sibling in request["siblings"]
        ]
        head = document.read(_WINDOW)
        document.seek(max(0, document.length - _WINDOW))
        found = identify(head, document.read(_WINDOW))
        document.seek(0)
        report = validate_document(
            document,
            anchors=TrustAnchors(tuple(_bytes(der) for der in request["anchors"])),
            at=parse_time(request["at"]),
            identified=found,
            certificates=tuple(_bytes(der) for der in request["certificates"]),
            revocation=RevocationData(
                tuple(_bytes(der) for der in request["crls"]), tuple(_bytes(der) for der in request["ocsps"])
            ),
            detached=siblings,
            guessed=True,
        )
    return {
        "puid": found.puid if found else None,
        "format": found.name if found else None,
        "verdict": _standing(report),
        "report": report.as_canonical_json().decode("utf-8"),
        "data": [[datum.role, _text(datum.data)] for datum in report.validation_data],
        "unreadable": report.refused,
    }


def _opened(request: dict[str, Any], path: str, sequence: int) -> DecryptingReader:
    """A spooled document of the request's deposit; closing it closes its file."""
    name = ObjectName(tenant_id(request["tenant"]), UUID(request["package"]), ObjectKind.SPOOLED_DOCUMENT, sequence)
    source = open(path, "rb")  # noqa: SIM115 - the reader owns it
    try:
        associated = name.associated_data()
        return DecryptingReader(source, _bytes(request["key"]), associated, owns_source=True, cached_segments=16)
    except BaseException:
        source.close()
        raise


def _standing(report: Any) -> str:
    if report.not_validated or report.refused:
        return Standing.NOT_VALIDATED
    worst = report.worst()
    return Standing.NO_SIGNATURE if worst is None else Standing(worst.value)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)

"""What a worker process does for ``zdda validate``: opens one file, validates it, answers in JSON."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from zdda.crypto.algorithm_document import read_catalogue
from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.model.clock import parse_time
from zdda.model.errors import InvalidInput
from zdda.signatures.content import MAXIMUM_CANDIDATES
from zdda.signatures.errors import FormatError
from zdda.signatures.late_stream import LateStream
from zdda.trust.anchors import MAXIMUM_FILE, TrustAnchors
from zdda.validation.forms import Form, Language, written
from zdda.validation.policy import ValidationPolicy
from zdda.validation.policy_document import read_policy
from zdda.validation.validate import validate_document

FUNCTION = "zdda.cli.validation_worker:validate_file"
MODULES = ("zdda.cli.validation_worker",)


def validate_file(request: dict[str, Any]) -> dict[str, Any]:
    """Members of ``request``: ``document``, ``detached``, ``trust_anchors`` (paths), ``at`` (RFC 3339); ``form`` and
    ``language`` where a form of the report is wanted; ``policy`` and ``algorithms`` (paths) where not the shipped.

    Answers ``{"report": …, "worst": …}`` and ``"written"``, the form as text; or ``{"error": why}`` where a file
    cannot be read.
    """
    try:
        anchors = TrustAnchors.load(_small(Path(path)) for path in request["trust_anchors"])
    except (OSError, FormatError) as error:
        return {"error": f"a trust anchor cannot be read: {_reason(error)}"}
    try:
        policy = read_policy(_small(Path(request["policy"]))) if "policy" in request else ValidationPolicy()
        catalogue = (
            read_catalogue(_small(Path(request["algorithms"]))) if "algorithms" in request else AlgorithmCatalogue()
        )
    except (OSError, InvalidInput) as error:
        return {"error": f"a policy or an algorithm catalogue cannot be read: {_reason(error)}"}
    with ExitStack() as stack:
        try:
            document = stack.enter_context(open(request["document"], "rb"))
            paths = [_file(Path(path)) for path in request["detached"][:MAXIMUM_CANDIDATES]]
            detached = [stack.enter_context(LateStream(partial(_open, path))) for path in paths]
            report = validate_document(
                document, anchors, policy, at=parse_time(request["at"]), detached=detached, catalogue=catalogue
            )
            sha256 = _sha256(document) if request.get("form") == Form.ETSI else None
        except OSError as error:
            return {"error": f"a file cannot be read: {_reason(error)}"}
    worst = report.worst()
    answer = {"report": report.as_json(), "worst": None if worst is None else worst.value}
    if "form" in request:
        data = {datum.sha256: datum.data for datum in report.validation_data}
        form, language, name = Form(request["form"]), Language(request["language"]), Path(request["document"]).name
        answer["written"] = written(report.content, data, form, language, sha256, name).decode("utf-8")
    return answer


def _sha256(document: BinaryIO) -> str:
    digest = hashlib.sha256()
    document.seek(0)
    while data := document.read(1024 * 1024):
        digest.update(data)
    return digest.hexdigest()


def _file(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(None, "no such file")
    return path


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _small(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAXIMUM_FILE + 1)


def _reason(error: Exception) -> str:
    return error.strerror or "input error" if isinstance(error, OSError) else str(error)


def batch_answer(document: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer in the form of the batch interface; ``answer`` is that of ``validate_file``."""
    blank: dict[str, Any] = {
        "document": document,
        "container": None,
        "signatures": [],
        "timestamps": [],
        "evidence_records": [],
    }
    if "error" in answer:
        return {**blank, "refused": answer["error"]}
    report = answer["report"]
    if report["notValidated"] is not None:
        code, detail = report["notValidated"]["code"], report["notValidated"]["detail"]
        return {**blank, "refused": f"internal: {detail}" if code == "internal-error" else code}
    if report["refused"] is not None:
        return {**blank, "refused": f"{report['refused']['code']}: {report['refused']['detail']}"}
    return {
        **blank,
        "refused": None,
        "container": report["document"]["container"],
        "signatures": [
            {
                "format": item["format"],
                "counter": item["counter"],
                "intact": item["intact"],
                "valid": item["valid"],
                "indication": item["indication"],
                "subindication": item["subindication"],
                "best_signature_time": _short(item["bestSignatureTime"]),
                "claimed_signing_time": _short(item["claimedSigningTime"]),
            }
            for item in report["signatures"]
        ],
        "timestamps": [
            {
                "type": item["type"],
                "imprint_intact": item["imprintIntact"],
                "signature_valid": item["signatureValid"],
                "time": _short(item["time"]),
                "indication": item["indication"],
                "subindication": item["subindication"],
            }
            for item in report["timestamps"]
        ],
    }


def _short(time: str | None) -> str | None:
    """The batch interface writes whole seconds without a fraction."""
    return time.replace(".000Z", "Z") if time is not None else None

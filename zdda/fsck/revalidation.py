"""Validates archived documents again by other anchors, another policy, or at another time; tells which verdicts flip.

``revalidate_here`` runs inside a worker; it alone touches the documents' bytes. Revocation data are those that lie in
the package: nothing is fetched, and nothing is changed. New reports are given back for whoever wants to keep them.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.streaming_aead import DecryptingReader
from zdda.fsck.replay import CannotReplay, PackageReplay
from zdda.jobs.worker_pool import WorkerFailed, WorkerPool, WorkerRefused
from zdda.model.canonical_json import parse_json
from zdda.model.clock import format_time, parse_time
from zdda.model.errors import IntegrityError, NotFound, Unavailable, ZddaError
from zdda.model.identifiers import ContentAddress, tenant_id
from zdda.model.objects import ObjectKind, ObjectName
from zdda.packaging.aip_reader import open_aip
from zdda.packaging.renewed_validation import RenewedValidation, ValidatedDocument, read_renewed_validation
from zdda.storage.blob_store import BlobStore
from zdda.storage.object_record import ObjectRecord
from zdda.trust.anchors import TrustAnchors
from zdda.validation.policy import ValidationPolicy
from zdda.validation.policy_document import read_policy
from zdda.validation.report import ValidationReport

FUNCTION = "zdda.fsck.revalidation:revalidate_here"
MODULES = ("zdda.fsck.revalidation",)
_CHUNK = 1024 * 1024


Placed = Callable[[ContentAddress], AbstractContextManager[Path]]
"""Where a worker finds the stored, encrypted bytes of an object meanwhile; raises ``NotFound``, ``Unavailable``,
``IntegrityError``."""


@contextmanager
def copied(sites: Sequence[BlobStore], address: ContentAddress) -> Iterator[Path]:
    """A copy in a temporary file, of stores that no worker can reach: they do not speak to the network. It is taken
    from the first site that has the bytes of the address; raises what the last site raised, ``IntegrityError``."""
    with TemporaryDirectory(prefix="zdda-") as folder:
        path = Path(folder) / "object"
        failed: Exception = IntegrityError("what lies at the sites are not the object's bytes")
        for blobs in sites:
            try:
                with blobs.open(address) as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
                with path.open("rb") as taken:
                    if hashlib.file_digest(taken, "sha256").digest() == address.digest:
                        break
            except (NotFound, Unavailable) as error:
                failed = error
        else:
            raise failed
        yield path


@dataclass(frozen=True, slots=True)
class Revalidated:
    """What was found in one package.

    ``found``: what flips, by ``package``, ``document``, ``signature`` (its identifier in the report), ``before`` and
    ``after`` (indication, sub-indication), ``why`` (the constraints not met now); a document, or a package, that
    could not be validated again is one of ``error``. ``renewed``: the new reports on documents in which something is
    signed or the verdict is another, None where there are none.
    """

    package: UUID
    found: tuple[dict[str, Any], ...]
    renewed: RenewedValidation | None = None


class Revalidation:
    """One run over packages. ``policy``: a policy document (TOML), None for the shipped one."""

    def __init__(
        self,
        pool: WorkerPool,
        placed: Placed,
        generations: GenerationKeys,
        anchors: TrustAnchors,
        at: datetime,
        policy: bytes | None = None,
    ) -> None:
        self._pool, self._placed, self._generations = pool, placed, generations
        self._rules = {
            "anchors": [base64.b64encode(der).decode("ascii") for der in anchors.certificates],
            "at": format_time(at),
            "policy": None if policy is None else policy.decode("utf-8", "replace"),
        }

    def package(self, record: ObjectRecord) -> Revalidated:
        """Raises nothing for what is wrong with one package: that is in the answer."""
        name = record.name
        request = {
            **self._rules,
            "tenant": name.tenant,
            "package": str(name.package),
            "sequence": name.sequence,
        }
        try:
            request["key"] = base64.b64encode(record.data_key(self._generations)).decode("ascii")
            with self._placed(record.address) as path:
                answer = self._pool.call(FUNCTION, {**request, "path": str(path)})
            renewed = answer["renewed"] and read_renewed_validation(answer["renewed"])
            found = answer["found"]
        except (KeyError, TypeError, ValueError):
            found, renewed = [{"document": None, "error": "the worker's answer cannot be read"}], None
        except (WorkerFailed, WorkerRefused) as error:
            found, renewed = [{"document": None, "error": str(error)}], None
        except ZddaError as error:
            found, renewed = [{"document": None, "error": f"{error.code}: {error}"}], None
        return Revalidated(name.package, tuple({"package": str(name.package), **each} for each in found), renewed)


def revalidate_here(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in a worker: ``found`` and ``renewed`` of ``Revalidated`` as JSON values. Raises ``IntegrityError`` or a
    ``PackageError`` where the package is not what was stored."""
    name = ObjectName(tenant_id(request["tenant"]), UUID(request["package"]), ObjectKind.AIP, request["sequence"])
    anchors = TrustAnchors(tuple(base64.b64decode(der) for der in request["anchors"]))
    catalogue = AlgorithmCatalogue()
    policy = ValidationPolicy() if request["policy"] is None else read_policy(request["policy"].encode("utf-8"))
    with (
        open(request["path"], "rb") as source,
        closing(DecryptingReader(source, base64.b64decode(request["key"]), name.associated_data())) as container,
    ):
        package = open_aip(container)
        replay = PackageReplay(package, anchors)
        found: list[dict[str, Any]] = []
        documents: list[ValidatedDocument] = []
        for each in package.documents:
            number = each.facts.number
            try:
                sealed = replay.sealed(number)
                made = replay.judged(number, sealed, anchors, parse_time(request["at"]), policy, catalogue)
            except CannotReplay as error:
                found.append({"document": number, "error": str(error)})
            else:
                flipped = flips(sealed, made)
                found += [{"document": number, **flip} for flip in flipped]
                if flipped or made["signatures"] or made["timestamps"]:
                    documents.append(ValidatedDocument(number, _verdict(made), made))
        rules = parse_json(policy.canonical), parse_json(catalogue.canonical)
        return {"found": found, "renewed": RenewedValidation(tuple(documents), *rules).as_json() if documents else None}


def _verdict(report: Mapping[str, Any]) -> str:
    """In the words of a deposit record."""
    if report["refused"] or report["notValidated"]:
        return "NOT_VALIDATED"
    worst = ValidationReport.from_json(report).worst()
    return "NO_SIGNATURE" if worst is None else worst.value


def flips(sealed: Mapping[str, Any], made: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Signatures of one document whose indication or sub-indication is another now. Pure."""
    before, after = _verdicts(sealed), _verdicts(made)
    found = []
    for identifier in dict.fromkeys((*before, *after)):
        old, new = before.get(identifier), after.get(identifier)
        if old is None or new is None or old[0] != new[0]:
            found.append(
                {
                    "signature": identifier or None,
                    "before": None if old is None else list(old[0]),
                    "after": None if new is None else list(new[0]),
                    "why": [] if new is None else new[1],
                }
            )
    return found


def _verdicts(report: Mapping[str, Any]) -> dict[str, tuple[tuple[str, str | None], list[str]]]:
    """By identifier: ((indication, sub-indication), constraints not met). The empty identifier is the document's, where
    it was refused or not validated."""
    for reason in (report["refused"], report["notValidated"]):
        if reason is not None:
            return {"": (("NOT_VALIDATED", reason["code"]), [])}
    return {
        each["identifier"]: ((each["indication"], each["subindication"]), _not_met(each["buildingBlocks"]))
        for each in report["signatures"]
    }


def _not_met(blocks: Sequence[Mapping[str, Any]]) -> list[str]:
    found = (record["id"] for block in blocks for record in block["constraints"] if record["status"] == "not-ok")
    return list(dict.fromkeys(found))

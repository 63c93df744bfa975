"""Compares an inventory of the stores with the catalog, both ways, member by member. Reports only;
``zdda.ingest.repair`` acts.

An inventory is what ``fsck`` emits (``zdda-inventory/1``). Values are not repeated in the report: they may be
personal data, and whoever may see them finds them by identifier and member.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, func, select

from zdda.catalog.evidence import BatchState
from zdda.catalog.packages import ArchivedDocument, documents_of_package
from zdda.catalog.tables import (
    amendment_packages,
    amendments,
    deposits,
    evidence_batches,
    evidence_members,
    objects,
    packages,
    subject_identifiers,
)
from zdda.crypto.generations import GenerationKeys
from zdda.database.session import AnyRow, TenantDatabase, Transaction
from zdda.ingest.intake_policy import Standing, worst_of
from zdda.ingest.package_view import SealedDeposit, archived_package
from zdda.model.clock import format_time
from zdda.model.deposit import DepositState
from zdda.model.errors import InvalidInput, ZddaError
from zdda.model.submission import DocumentDescription
from zdda.packaging.package_description import description_digest
from zdda.packaging.submission import parse_submission_metadata

Line = Mapping[str, Any]
Values = dict[str, object]


class ForeignInventory(InvalidInput):
    """The inventory is of another archive or tenant, or not of a form this version reads."""

    code = "inventory-foreign"


class Where(StrEnum):
    """PENDING: only in the stores, and the catalog's own next step will list it."""

    ONLY_IN_STORES = "only-in-stores"
    ONLY_IN_CATALOG = "only-in-catalog"
    DIFFERENT = "different"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: of what kind of thing (object, package, document, batch, amendment), which one, in what.

    ``identifier`` is the package's, batch's or amendment's, with ``/kind/sequence`` for an object, ``/number`` for a
    document.
    """

    where: Where
    kind: str
    identifier: str
    member: str | None = None


def reconcile(
    database: TenantDatabase, generations: GenerationKeys, archive: str, inventory: Iterable[Line]
) -> Iterator[Difference]:
    """Every difference. Reads the inventory once; memory grows with the number of objects.

    Raises ``ForeignInventory``, and what reading the inventory raises.
    """
    with database.read() as tx:
        yield from differences_in(tx, generations, archive, inventory)


def differences_in(
    tx: Transaction, generations: GenerationKeys, archive: str, inventory: Iterable[Line]
) -> Iterator[Difference]:
    """``reconcile`` within a transaction."""
    return _Reconciliation(tx, generations, archive).differences(inventory)


class _Reconciliation:
    def __init__(self, tx: Transaction, generations: GenerationKeys, archive: str) -> None:
        self._tx, self._generations, self._archive = tx, generations, archive
        self._seen: dict[str, set[str]] = {kind: set() for kind in ("object", "package", "batch", "amendment")}

    def differences(self, inventory: Iterable[Line]) -> Iterator[Difference]:
        lines = iter(inventory)
        header = next(lines, {})
        if (header.get("format"), header.get("archive"), header.get("tenant")) != (
            "zdda-inventory/1",
            self._archive,
            self._tx.tenant,
        ):
            raise ForeignInventory("the inventory is not of this archive and tenant")
        compare = {
            "object": self._object,
            "package": self._package,
            "archived": self._archived,
            "batch": self._batch,
            "amendment": self._amendment,
        }
        for line in lines:
            if line["type"] in compare:
                yield from compare[line["type"]](line)
        yield from self._only_in_catalog()

    def _object(self, line: Line) -> Iterator[Difference]:
        package = UUID(line["package"])
        identifier = f"{package}/{line['kind']}/{line['sequence']}"
        self._seen["object"].add(identifier)
        row = self._row(objects, package_id=package, kind=line["kind"], sequence=line["sequence"])
        if row is None:
            yield self._only_in_stores("object", identifier, package)
            return
        found: Values = {
            "address": row.address,
            "length": row.length,
            "sha512": row.sha512.hex(),
            "retainUntil": format_time(row.retain_until),
        }
        yield from _compared("object", identifier, line, found)
        if row.generation != line["generation"]:  # records move to a new generation first, then the row
            where = Where.PENDING if row.generation < line["generation"] else Where.DIFFERENT
            yield Difference(where, "object", identifier, "generation")

    def _package(self, line: Line) -> Iterator[Difference]:
        package = UUID(line["package"])
        self._seen["package"].add(str(package))
        row = self._row(packages, package_id=package)
        if row is None:
            yield self._only_in_stores("package", str(package), package)
            return
        documents = tuple(
            ArchivedDocument(_description(each), each.content_id, each.verdict)
            for each in documents_of_package(self._tx, package)
        )
        yield from self._documents(line, documents)
        try:
            parse_submission_metadata(row.metadata)
            worst_of(Standing(each.verdict) for each in documents)
        except (ZddaError, ValueError):  # such a row compares with nothing
            yield Difference(Where.DIFFERENT, "package", str(package), "metadata")
            return
        names = (each.description.original_name for each in documents)
        said = description_digest(parse_submission_metadata(row.metadata), names, row.idempotency_key)
        found: Values = {
            "deposit": str(row.deposit_id),
            "account": row.account,
            "requestDigest": row.request_digest.hex(),
            "description": self._generations.content_id(self._tx.tenant, said).hex(),
            "receivedAt": format_time(row.received_at),
            "sealedAt": format_time(row.sealed_at),
            "retention": {
                "class": row.retention_class,
                "mark": row.mark,
                "years": row.years,
                "retainUntil": format_time(row.retain_until),
            },
            "groupDigest": row.group_digest.hex(),
            "batch": str(row.batch_id),
            "leafIndex": row.leaf_index,
        }
        yield from _compared("package", str(package), line, found)
        yield from self._derived(row, documents)
        yield from self._leaf("package", package, "aip", row.group_digest, line)

    def _documents(self, line: Line, documents: Iterable[ArchivedDocument]) -> Iterator[Difference]:
        there = {each["number"]: each for each in line["documents"]}
        known = {each.description.number: each for each in documents}
        for number in sorted(there.keys() | known.keys()):
            identifier = f"{line['package']}/{number}"
            if number not in known or number not in there:
                where = Where.ONLY_IN_CATALOG if number in known else Where.ONLY_IN_STORES
                yield Difference(where, "document", identifier)
                continue
            each = known[number].description
            found: Values = {
                "role": each.role,
                "mediaType": each.media_type,
                "formatName": each.format_name,
                "puid": each.puid,
                "length": each.length,
                "sha256": each.sha256.hex(),
                "sha512": each.sha512.hex(),
                "verdict": known[number].verdict,
            }
            yield from _compared("document", identifier, there[number], found)
            if known[number].content_id != self._generations.content_id(self._tx.tenant, each.sha256):
                yield Difference(Where.DIFFERENT, "document", identifier, "contentId")

    def _derived(self, row: AnyRow, documents: tuple[ArchivedDocument, ...]) -> Iterator[Difference]:
        """What the catalog makes of the members compared: columns for search, the worst verdict, the receipt."""
        package: UUID = row.package_id
        batch = self._row(evidence_batches, batch_id=row.batch_id)
        gen_time: datetime | None = batch.gen_time if batch is not None else None
        expected = archived_package(cast(SealedDeposit, row), documents, row.archived_at, gen_time or row.archived_at)
        said, external = expected.submission, expected.submission.external_id
        derived: Values = {
            "title": said.title,
            "document_type": said.document_type,
            "originator": said.originator,
            "created": said.created,
            "producer": external.producer if external else None,
            "external_id": external.id if external else None,
            "worst": worst_of(Standing(each.verdict) for each in documents),
            "receipt": expected.receipt,
        }
        for name, value in derived.items():
            if getattr(row, name) != value:
                yield Difference(Where.DIFFERENT, "package", str(package), name)
        subjects = self._tx.execute(
            select(subject_identifiers.c.type, subject_identifiers.c.value).where(
                subject_identifiers.c.tenant_id == self._tx.tenant, subject_identifiers.c.package_id == package
            )
        )
        if {tuple(each) for each in subjects} != {(each.type, each.value) for each in said.subjects}:
            yield Difference(Where.DIFFERENT, "package", str(package), "subjects")
        deposit = self._row(deposits, deposit_id=row.deposit_id)
        if deposit is None or (deposit.state, deposit.receipt) != (DepositState.ARCHIVED, row.receipt):
            yield Difference(Where.DIFFERENT, "package", str(package), "depositState")

    def _archived(self, line: Line) -> Iterator[Difference]:
        row = self._row(packages, package_id=UUID(line["package"]))
        if row is not None:  # else its package line tells
            found: Values = {"storedAt": format_time(row.stored_at), "archivedAt": format_time(row.archived_at)}
            yield from _compared("package", line["package"], line, found)
            if self._row(evidence_batches, batch_id=row.batch_id, amendment_id=UUID(line["amendment"])) is None:
                yield Difference(Where.DIFFERENT, "batch", str(row.batch_id), "amendment")

    def _batch(self, line: Line) -> Iterator[Difference]:
        batch_id = UUID(line["batch"])
        row = self._row(evidence_batches, batch_id=batch_id)
        self._seen["batch"].add(str(batch_id))
        if row is None or row.token is None:
            where = Where.PENDING if row is not None else Where.ONLY_IN_STORES
            yield Difference(where, "batch", str(batch_id))
            return
        leaves = self._tx.execute(
            select(func.count())
            .select_from(evidence_members)
            .where(evidence_members.c.tenant_id == self._tx.tenant, evidence_members.c.batch_id == batch_id)
        ).scalar_one()
        found: Values = {
            "leaves": leaves,
            "created": format_time(row.created_at),
            "root": row.root.hex(),
            "provenAt": format_time(row.gen_time),
            "token": hashlib.sha256(row.token).hexdigest(),
        }
        yield from _compared("batch", str(batch_id), line, found)

    def _amendment(self, line: Line) -> Iterator[Difference]:
        amendment = UUID(line["amendment"])
        self._seen["amendment"].add(str(amendment))
        row = self._row(amendments, amendment_id=amendment)
        if row is None:
            yield self._only_in_stores("amendment", str(amendment), amendment)
            return
        covered = self._tx.execute(
            select(amendment_packages).where(
                amendment_packages.c.tenant_id == self._tx.tenant, amendment_packages.c.amendment_id == amendment
            )
        ).all()
        known = [(str(each.package_id), each.sequence, each.predecessor.hex()) for each in covered]
        told = [(each["package"], each["sequence"], each["predecessor"]) for each in line["packages"]]
        if sorted(known) != sorted(told):
            yield Difference(Where.DIFFERENT, "amendment", str(amendment), "packages")
        found: Values = {"kind": row.kind, "created": format_time(row.created_at), "digest": row.digest.hex()}
        yield from _compared("amendment", str(amendment), line, found)
        stored = self._row(objects, package_id=amendment, kind="amendment", sequence=0) is not None
        if stored and row.spool_file is not None:  # it is said to be on its way, and to be stored
            yield Difference(Where.DIFFERENT, "amendment", str(amendment), "spoolFile")
        if line["batch"] is not None:
            yield from _compared("amendment", str(amendment), line, {"batch": str(row.batch_id)})
            yield from self._leaf("amendment", amendment, "amendment", row.digest, line)

    def _leaf(self, kind: str, identifier: UUID, member: str, digest: bytes, line: Line) -> Iterator[Difference]:
        """The row of the hash tree's leaf."""
        row = self._row(evidence_members, package_id=identifier, kind=member, sequence=0)
        expected = (line["batch"], line["leafIndex"], digest)
        if row is None or (str(row.batch_id), row.leaf_index, row.digest) != expected:
            yield Difference(Where.DIFFERENT, kind, str(identifier), "leaf")

    def _only_in_stores(self, kind: str, identifier: str, owner: UUID) -> Difference:
        """PENDING where the catalog's row says that this is about to be listed."""
        deposit = self._row(deposits, package_id=owner)
        on_its_way = deposit is not None and deposit.state in (DepositState.SEALED, DepositState.STORED)
        for column, state in (("batch_id", BatchState.TIMESTAMPED), ("amendment_id", BatchState.STORED)):
            on_its_way = on_its_way or self._row(evidence_batches, **{column: owner, "state": state}) is not None
        amendment = self._row(amendments, amendment_id=owner)
        on_its_way = on_its_way or (amendment is not None and amendment.spool_file is not None)
        return Difference(Where.PENDING if on_its_way else Where.ONLY_IN_STORES, kind, identifier)

    def _only_in_catalog(self) -> Iterator[Difference]:
        """What the catalog says lies in the stores. What is there without its object has not come that far."""
        stored = (BatchState.STORED, BatchState.RECORDED)
        columns = {
            "object": select(objects.c.package_id, objects.c.kind, objects.c.sequence).where(
                objects.c.tenant_id == self._tx.tenant
            ),
            "package": select(packages.c.package_id).where(packages.c.tenant_id == self._tx.tenant),
            "batch": select(evidence_batches.c.batch_id).where(
                evidence_batches.c.tenant_id == self._tx.tenant, evidence_batches.c.state.in_(stored)
            ),
            "amendment": select(amendments.c.amendment_id).where(
                amendments.c.tenant_id == self._tx.tenant, amendments.c.spool_file.is_(None)
            ),
        }
        for kind, query in columns.items():
            for row in self._tx.execute(query):
                identifier = "/".join(map(str, row))
                if identifier not in self._seen[kind]:
                    yield Difference(Where.ONLY_IN_CATALOG, kind, identifier)

    def _row(self, table: Table, **values: object) -> AnyRow | None:
        conditions = [table.c[name] == value for name, value in values.items()]
        return self._tx.execute(select(table).where(table.c.tenant_id == self._tx.tenant, *conditions)).one_or_none()


def _compared(kind: str, identifier: str, line: Line, found: Values) -> Iterator[Difference]:
    for member, value in found.items():
        if line[member] != value:
            yield Difference(Where.DIFFERENT, kind, identifier, member)


def _description(row: AnyRow) -> DocumentDescription:
    """A package's document keeps no CRC-32: that was for the container's directory."""
    names = (name for name in DocumentDescription.__dataclass_fields__ if name != "crc32")
    return DocumentDescription(crc32=0, **{name: getattr(row, name) for name in names})

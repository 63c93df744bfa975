"""What the steps of a deposit work with: the parts of one archive, gathered for one tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from zdda.crypto.generations import GenerationKeys
from zdda.crypto.signing import Signer
from zdda.database.session import TenantDatabase
from zdda.ingest.forwarding import Forwarding
from zdda.model.canonical_json import canonical_json
from zdda.model.clock import Clock, Entropy
from zdda.model.identifiers import TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import EVERYWHERE, Placement, strictest
from zdda.model.retention import RetentionClass
from zdda.packaging.mets import Software
from zdda.storage.blob_store import CrashPoint, no_crash
from zdda.storage.guarantee import Guarantee, NoGuarantee
from zdda.storage.object_store import ObjectStore
from zdda.storage.spool import Spool
from zdda.trust.revocation import RevocationData


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found out about one document: its format, its verdict, the report, and all the data used.

    ``canonical`` is the report's canonical JSON, where it is at hand. ``unreadable`` says why a document cannot be
    read as what it claims to be; it then has no verdict worth having.
    ``unasked``: how many questions about revocation were worth asking and were not, because of a bound.
    """

    puid: str | None
    format_name: str | None
    verdict: str
    report: dict[str, Any]
    validation_data: tuple[tuple[str, bytes], ...]
    unreadable: str | None = None
    unasked: int = 0
    canonical: bytes | None = None

    def report_bytes(self) -> bytes:
        """The report in canonical JSON."""
        return canonical_json(self.report) if self.canonical is None else self.canonical


class Examiner(Protocol):
    """Opens hostile bytes somewhere safe. Raises ``Unavailable`` when no worker can be had.

    ``siblings``: the deposit's other documents, by spool file and name: one of them may be what a signature that
    stands in a file of its own is over.
    """

    def examine(
        self,
        spool_file: str,
        key: bytes,
        name: ObjectName,
        media_type: str,
        siblings: Sequence[tuple[str, ObjectName]] = (),
    ) -> Examination: ...


class TimestampAuthorities(Protocol):
    """Gives checked tokens; raises ``Unavailable``."""

    def timestamp(self, imprint: bytes) -> bytes: ...


class TokenCompletion(Protocol):
    """Adds chain and revocation values to a token; raises ``Unavailable``."""

    def __call__(self, token: bytes, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Bounds of one deposit, in bytes and documents."""

    max_document_bytes: int
    max_deposit_bytes: int
    max_documents: int


@dataclass(frozen=True, slots=True)
class Workshop:
    """One tenant's archive as the use cases of intake see it. ``wake`` rings the runner's doorbell,
    ``ended`` that of those who wait for a deposit.

    ``seal_validation_data`` is what a verifier will need for the seal's certificate: CRLs and OCSP answers.
    """

    tenant: TenantId
    database: TenantDatabase
    spool: Spool
    store: ObjectStore
    generations: GenerationKeys
    signer: Signer
    seal_validation_data: Callable[[], RevocationData]
    examiner: Examiner
    authorities: TimestampAuthorities
    complete_token: TokenCompletion
    classes: Mapping[str, RetentionClass]
    limits: IntakeLimits
    clock: Clock
    entropy: Entropy
    software: Software
    wake: Callable[[], None] = field(default=lambda: None)
    ended: Callable[[UUID], None] = field(default=lambda _deposit: None)
    crash: CrashPoint = no_crash
    guarantee: Guarantee = field(default=NoGuarantee("no canary tries it"))
    forwarding: Forwarding = field(default_factory=Forwarding)

    def stores_away(self) -> bool:
        """Whether the stores of every class are away: nothing sealed can be stored now."""
        return self.forwarding.shut({self.placement([name]) for name in self.classes})

    def wrap_deposit_key(self, key: bytes, package: UUID) -> tuple[int, bytes]:
        """(generation, wrapped key) of a deposit's data key while it is on its way."""
        generation = self.generations.current(self.tenant)
        return generation, self.generations.wrap_data_key(self.tenant, generation, key, self._context(package))

    def unwrap_deposit_key(self, generation: int, wrapped: bytes, package: UUID) -> bytes:
        """Raises ``IntegrityError``, or ``NotFound`` where the generation is gone."""
        return self.generations.unwrap_data_key(self.tenant, generation, wrapped, self._context(package))

    def placement(self, classes: Iterable[str]) -> Placement:
        """Where an object lies that serves packages of these retention classes; a class that the settings do not name
        any more counts as placed everywhere."""
        return strictest(self.classes[name].placement if name in self.classes else EVERYWHERE for name in set(classes))

    def spooled(self, package: UUID, number: int) -> ObjectName:
        """The name that a spooled file's encryption is bound to: documents from 1, validation data 0."""
        return ObjectName(self.tenant, package, ObjectKind.SPOOLED_DOCUMENT, number)

    def _context(self, package: UUID) -> bytes:
        return f"zdda-deposit/1|{self.tenant}|{package}".encode("ascii")

"""``fsck``: doubts everything that lies in the stores, from their bytes and the keys alone, and takes stock of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import BinaryIO
from uuid import UUID

from zdda.evidence.hash_tree import group_digest
from zdda.fsck.custody import Outcome
from zdda.fsck.evidence_walk import EvidenceWalk
from zdda.fsck.findings import Finding, Severity, about
from zdda.fsck.inventory import Line, finding_line, header_line, object_line, package_line, summary_line
from zdda.fsck.object_walk import CheckedObject, check_object, decrypted
from zdda.fsck.record_walk import RECORD_MISSING, KnownRecord, RecordWalk
from zdda.fsck.stores import Expected, SiteStore, Stores
from zdda.fsck.verify import verify_package
from zdda.model.errors import IntegrityError, NotFound, Unavailable
from zdda.model.objects import ObjectKind, ObjectName
from zdda.packaging.aip_reader import Aip, open_aip
from zdda.packaging.errors import PackageError
from zdda.packaging.package_description import description_digest
from zdda.trust.anchors import TrustAnchors

Progress = Callable[[int, int], None]
"""Called with the number of objects done and of all."""

_LARGEST = {ObjectKind.EVIDENCE_BATCH: 128 * 1024 * 1024, ObjectKind.AMENDMENT: 64 * 1024 * 1024}
_ORDER = (ObjectKind.EVIDENCE_BATCH, ObjectKind.AMENDMENT, ObjectKind.AIP)
"""What later objects are judged by comes first."""


class StoreCheck:
    """One run over one tenant's stores.

    ``lines`` gives the inventory line by line; every byte of every object is read, in memory that grows with the
    number of records and not with their bytes. Whatever hostile bytes do to a parser is a finding. Raises only what
    the places and the store raise when they cannot be walked at all.
    """

    def __init__(
        self, stores: Stores, anchors: TrustAnchors, at: datetime, progress: Progress = lambda _done, _all: None
    ) -> None:
        self._stores, self._anchors, self._at, self._progress = stores, anchors, at, progress
        self._records = RecordWalk(stores)
        self._classes: dict[UUID, str] = {}
        self._lines: Counter[str] = Counter()
        self.severities: Counter[Severity] = Counter()

    def lines(self) -> Iterator[Line]:
        """The inventory; the last line is the summary."""
        stores = self._stores
        yield header_line(stores.archive, stores.tenant, self._at, stores.generations.generations(stores.tenant))
        for item in self._walk():
            if isinstance(item, Finding):
                self.severities[item.severity] += 1
                item = finding_line(item)
            self._lines[item["type"]] += 1
            yield item
        yield summary_line(self._lines, self.severities)

    def _walk(self) -> Iterator[Finding | Line]:
        stores = self._stores
        for site in stores.sites:
            if site.marker is not None:
                yield Finding("store-marker", site.marker, where=self._located(site, "zdda-store.json"))
        yield from self._records.findings()
        names = self._records.names()
        evidence = EvidenceWalk(self._anchors, self._at, names)
        rank = {kind: number for number, kind in enumerate(_ORDER)}
        ordered = sorted(names, key=lambda name: rank.get(name.kind, len(rank)))
        absent: list[tuple[CheckedObject, KnownRecord]] = []
        addresses: dict[str, set[bytes]] = {site.name: set() for site in stores.sites}
        for done, name in enumerate(ordered):
            self._progress(done, len(ordered))
            known = self._records.known(name)
            checked = check_object(stores, known)
            if checked is None:
                continue  # its records are findings
            for site in stores.sites:
                addresses[site.name].add(checked.record.address.digest)
            content = list(self._content(checked, evidence)) if checked.source is not None else []
            yield object_line(checked)
            yield from checked.findings
            if checked.absent or known.absent:
                absent.append((checked, known))
            yield from content
        self._progress(len(ordered), len(ordered))
        for checked, known in absent:
            yield from self._absent(checked, known, evidence)
        yield from evidence.conclude()
        for site in stores.sites:
            yield from self._unrecorded(site, addresses[site.name])

    def _content(self, checked: CheckedObject, evidence: EvidenceWalk) -> Iterator[Finding | Line]:
        name = checked.name
        try:
            with decrypted(checked) as plaintext:
                if name.kind is ObjectKind.AIP:
                    yield from self._package(name, checked, plaintext, evidence)
                    return
                limit = _LARGEST.get(name.kind)
                if limit is None:
                    _read_through(plaintext)
                    return
                if plaintext.length > limit:
                    yield about(name, "object-too-large", "the object is larger than any of its kind can be")
                    return
                content = plaintext.read()
            learn = evidence.batch if name.kind is ObjectKind.EVIDENCE_BATCH else evidence.amendment
            yield from learn(name, content)
        except PackageError as error:
            where = error.member and f"member {error.member}"
            yield about(name, error.code, f"the package {error.reason}", where=where)
        except IntegrityError:
            checked.add("object-undecryptable", "the object does not decrypt under the key of its record")
        except (OSError, Unavailable, NotFound):
            checked.add("object-unreadable", "the object cannot be read")
        except Exception as error:  # noqa: BLE001 - hostile bytes find what no one foresaw; it is never a pass
            checked.add("object-check-failed", f"the check itself failed ({type(error).__name__})")

    def _package(
        self, name: ObjectName, checked: CheckedObject, container: BinaryIO, evidence: EvidenceWalk
    ) -> Iterator[Finding | Line]:
        record = None
        with suppress(PackageError):  # verify says what is wrong with it
            aip = open_aip(container)
            leaf = group_digest(aip.group)
            self._classes[name.package] = aip.deposit.facts.retention.name
            if (aip.package_id, aip.deposit.facts.tenant) != (name.package, name.tenant):
                yield about(name, "package-of-another-name", "the object holds another package")
                return
            if checked.record.retain_until < aip.deposit.facts.retention.retain_until:
                yield about(name, "retention-too-short", "the record's retention ends before that of the package")
            evidence.package(name.package, leaf)
            record = evidence.evidence_record(leaf, aip.group)
            yield package_line(aip, leaf, self._description(aip), evidence.place(leaf))
        container.seek(0)
        report = verify_package(container, record, self._anchors, self._at)
        for check in report.checks:
            where = check.member and f"member {check.member}"
            code = check.code or str(check.name)
            if check.outcome is Outcome.FAILED or (check.outcome is Outcome.NOT_CHECKED and check.code != "depends"):
                yield about(name, code, f"{check.name}: {check.message}", where=where)
            elif check.outcome is Outcome.NOT_PROVABLE and record is not None:
                yield about(name, code, f"{check.name}: {check.message}", Severity.UNPROVEN, where)

    def _description(self, aip: Aip) -> bytes:
        names = (each.original_name for each in aip.documents)
        digest = description_digest(aip.metadata, names, aip.deposit.facts.idempotency_key)
        return self._stores.generations.content_id(self._stores.tenant, digest)

    def _absent(self, checked: CheckedObject, known: KnownRecord, evidence: EvidenceWalk) -> Iterator[Finding]:
        """Copies and records that a site does not have, and has to have by the classes that the object serves."""
        name = checked.name
        served = {name.package} if name.kind is ObjectKind.AIP else evidence.packages_of(name)
        known_classes = evidence.destroyed_classes | self._classes
        classes = {known_classes.get(package) for package in served}
        wanting = [("copy-missing", "the site has no copy of this object", site, site) for site in checked.absent]
        own = self._stores.own_places
        wanting += [("record-missing", RECORD_MISSING, place, own[place]) for place in known.absent]
        for code, message, where, site in wanting:
            expected = self._stores.expected(site, classes)
            if expected is not Expected.NO:
                severity = Severity.BROKEN if expected is Expected.YES else Severity.PENDING
                yield about(name, code, message, severity, where)

    def _unrecorded(self, site: SiteStore, addresses: set[bytes]) -> Iterator[Finding]:
        for address in site.blobs.addresses():
            if address.digest not in addresses:
                lock = site.blobs.stat(address).retain_until
                message = f"no record tells of this object, which is locked until {lock.date().isoformat()}"
                yield Finding("object-without-record", message, where=self._located(site, str(address)))
        for path in site.blobs.strays():
            yield Finding("stray-file", "what lies here is no object", where=self._located(site, f"objects/{path}"))

    def _located(self, site: SiteStore, where: str) -> str:
        return f"{site.name}/{where}" if self._stores.several else where


def _read_through(stream: BinaryIO) -> None:
    while stream.read(1024 * 1024):
        pass

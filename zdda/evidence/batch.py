"""The evidence batch: one write-once object per hash tree. It holds digests and a timestamp, nothing else."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from zdda.evidence.evidence_record import TokenCheck, TokenChecker, assemble
from zdda.evidence.hash_tree import HashTree, group_digest
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.clock import format_time, parse_time
from zdda.model.errors import IntegrityError
from zdda.model.identifiers import tenant_id

FORMAT = "zdda-evidence-batch/1"
MAX_LEAVES = 1_000_000
_MAX_BYTES = 128 * 1024 * 1024
_MEMBERS = frozenset({"format", "batch", "tenant", "created", "digestAlgorithm", "leaves", "token"})


class BatchMalformed(IntegrityError):
    """The bytes are no evidence batch."""

    code = "batch-malformed"


@dataclass(frozen=True, slots=True)
class EvidenceBatch:
    """``leaves`` in the order of the tree: digests of data object groups (RFC 4998 clause 4.2) under SHA-256.

    ``token`` is the completed RFC 3161 token (DER) over the tree's root: its signer's chain and revocation
    values lie inside its CMS.
    """

    batch_id: UUID
    tenant: str
    created: datetime
    leaves: tuple[bytes, ...]
    token: bytes

    def tree(self) -> HashTree:
        return HashTree(self.leaves)

    def check(self, check_token: TokenChecker) -> TokenCheck:
        """Judges the token over the root of the leaves: whether the whole batch is what was stamped."""
        return check_token(self.token, self.tree().root, None)

    def evidence_record(self, index: int, group: tuple[bytes, ...]) -> bytes:
        """The DER of the evidence record of leaf ``index``, whose group has these digests.

        Raises ``IntegrityError`` where the leaf is another group's.
        """
        if not 0 <= index < len(self.leaves) or group_digest(group) != self.leaves[index]:
            raise IntegrityError("the group's digest is not at its place in the batch")
        return assemble(group, self.tree().reduced(index), self.token)

    def encode(self) -> bytes:
        """The object's bytes; the same batch gives the same bytes."""
        return canonical_json(
            {
                "format": FORMAT,
                "batch": str(self.batch_id),
                "tenant": self.tenant,
                "created": format_time(self.created),
                "digestAlgorithm": "sha256",
                "leaves": [leaf.hex() for leaf in self.leaves],
                "token": base64.b64encode(self.token).decode("ascii"),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> EvidenceBatch:
        """Reads exactly what ``encode`` writes; raises ``BatchMalformed`` for any other bytes."""
        try:
            value: Any = parse_json(data, _MAX_BYTES)
            if not isinstance(value, dict) or value.keys() != _MEMBERS or value["format"] != FORMAT:
                raise ValueError("members")
            if not all(isinstance(value[name], str) for name in _MEMBERS - {"leaves"}):
                raise ValueError("types")
            if not isinstance(value["leaves"], list) or not 1 <= len(value["leaves"]) <= MAX_LEAVES:
                raise ValueError("leaves")
            leaves = tuple(bytes.fromhex(leaf) for leaf in value["leaves"])
            batch = cls(
                batch_id=UUID(value["batch"]),
                tenant=tenant_id(value["tenant"]),
                created=parse_time(value["created"]),
                leaves=leaves,
                token=base64.b64decode(value["token"], validate=True),
            )
            if any(len(leaf) != 32 for leaf in leaves) or not batch.token:
                raise ValueError("leaves")
            if batch.encode() != data:
                raise ValueError("form")
        except (ValueError, TypeError, AttributeError) as error:
            raise BatchMalformed("the bytes are no evidence batch") from error
        return batch

"""How a deposit fares, read from its row."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from zdda.catalog.deposits import documents_of, get_deposit, history_of
from zdda.catalog.evidence import get_batch
from zdda.database.session import AnyRow, Transaction
from zdda.model.canonical_json import parse_json
from zdda.model.deposit import Deferral, DepositState
from zdda.model.views import DepositStatus


def status_of(tx: Transaction, deposit_id: UUID) -> DepositStatus:
    """Raises ``NotFound``."""
    row = get_deposit(tx, deposit_id)
    state = DepositState(row.state)
    deferral = _deferral(row)
    if state is DepositState.STORED and row.batch_id is not None:
        deferral = _deferral(get_batch(tx, row.batch_id))  # it waits for what its batch waits for
    return DepositStatus(
        deposit_id=deposit_id,
        package_id=row.package_id,
        account=row.account,
        state=state,
        history=tuple((entry.state, entry.at) for entry in history_of(tx, deposit_id)),
        deferral=deferral,
        receipt=json.loads(row.receipt) if row.receipt is not None else None,
        rejection=_rejection(tx, row) if state is DepositState.REJECTED else None,
    )


def _deferral(row: AnyRow) -> Deferral | None:
    if row.deferred_reason is None or row.not_before is None:
        return None
    return Deferral(row.deferred_reason, row.not_before)


def _rejection(tx: Transaction, row: AnyRow) -> dict[str, Any]:
    """Why the deposit was rejected, with the reports."""
    reports: list[Any] = parse_json(row.reports) if row.reports is not None else []
    documents = documents_of(tx, row.deposit_id)
    note = next((entry.note for entry in history_of(tx, row.deposit_id) if entry.state == "rejected"), None)
    return {
        "code": "document-unreadable" if note == "document-unreadable" else "deposit-rejected",
        "verdict": row.worst,
        "documents": [
            {"number": document.number, "verdict": document.verdict, "report": report}
            for document, report in zip(documents, reports, strict=True)
        ],
    }

"""How the answers of the use cases look as JSON."""

from __future__ import annotations

from typing import Any

from zdda.model.clock import format_time
from zdda.model.views import DepositStatus, PackageView


def deposit_json(status: DepositStatus) -> dict[str, Any]:
    """The state of a deposit; ``receipt`` once archived."""
    body: dict[str, Any] = {
        "depositId": str(status.deposit_id),
        "packageId": str(status.package_id),
        "state": status.state.value,
        "history": [{"state": state, "at": format_time(at)} for state, at in status.history],
    }
    if status.deferral is not None:
        body["deferred"] = {
            "reason": status.deferral.reason,
            "notBefore": format_time(status.deferral.not_before),
        }
    if status.receipt is not None:
        body["receipt"] = status.receipt
    if status.rejection is not None:
        body["rejection"] = status.rejection
    return body


def package_json(view: PackageView) -> dict[str, Any]:
    """What a package is."""
    return {
        "packageId": str(view.package_id),
        "depositId": str(view.deposit_id),
        "metadata": view.metadata,
        "verdict": view.worst,
        "flagged": view.flagged,
        "receivedAt": format_time(view.received_at),
        "archivedAt": format_time(view.archived_at),
        "retention": {
            "class": view.retention_class,
            "mark": view.mark,
            "retainUntil": format_time(view.retain_until),
        },
        "evidence": {"digest": view.group_digest.hex(), "provenAt": format_time(view.evidence_time)},
        "documents": [
            {
                "number": document.number,
                "role": document.role,
                "name": document.original_name,
                "mediaType": document.media_type,
                "format": document.format_name,
                "puid": document.puid,
                "length": document.length,
                "sha256": document.sha256.hex(),
                "verdict": document.verdict,
            }
            for document in view.documents
        ],
    }

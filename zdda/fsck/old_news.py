"""Whether a path's good status rests on revocation data that were old news at a moment."""

from __future__ import annotations

from datetime import datetime, timedelta

from zdda.trust.paths import PathResult

_UNSAID_UPDATE = timedelta(hours=24)
"""How long revocation data count as news that do not say when the next are due."""


def rests_on_old_news(result: PathResult, moment: datetime) -> bool:
    """Whether a certificate's status comes from data that promised news before ``moment``: an old CRL hides a theft.

    ``moment``: when what the certificate signed is known to have been made by others' word, never by the signer's.
    """
    facts = (member.decisive(result.moment) for member in result.members if not member.is_anchor)
    return any(fact is not None and (fact.next_update or fact.this_update + _UNSAID_UPDATE) < moment for fact in facts)

"""Twenty real kills under load; ``make campaign-crash`` makes a thousand."""

from __future__ import annotations

from pathlib import Path

from tests.crash.campaign import Campaign


def test_twenty_kills_under_load_break_no_promise(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path / "campaign")
    try:
        campaign.run(20)
        counted = campaign.check()
    finally:
        campaign.stop()
        campaign.close()
    assert campaign.progress.kills == 20
    assert counted["deposits"] >= counted["receipts"] == counted["asked_again"] > 0
    assert (counted["spooled"], counted["sites"]) == (0, 2)
    assert min(campaign.progress.hits.values()) > 0

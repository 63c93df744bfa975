"""``make campaign-scrub`` with few objects, stopped and taken up again."""

from __future__ import annotations

from pathlib import Path

from tests.scale.scrub_campaign import Campaign, main


def test_clean_objects_raise_no_alarm(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path / "scale")
    campaign.fill(60)
    campaign.close()
    assert main(["--objects", "150", "--folder", str(tmp_path / "scale")]) == 0

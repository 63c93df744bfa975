from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.disposing import stamping_at
from zdda.model.clock import FixedClock
from zdda.retention.clocks import ask_clocks
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.site import Site


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO])
def test_a_site_whose_mounted_server_is_dead_is_away(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock is not asked; what the other sites hold is still erased there."""
    now, touch = datetime.now(UTC), os.utime
    for name in ("praha", "brno"):
        (tmp_path / name).mkdir()
    sites = [Site(name, FilesystemBlobs(tmp_path / name, immutable=False)) for name in ("praha", "brno")]

    def dead(path: Any, *rest: Any) -> None:
        if os.readlink(f"/proc/self/fd/{path}").startswith(str(tmp_path / "brno")):
            raise OSError(number, os.strerror(number))
        touch(path, *rest)

    monkeypatch.setattr(os, "utime", dead)
    agreed = ask_clocks(FixedClock(now), stamping_at(now), sites, bytes(32))
    assert [name for name, _ in agreed.clocks] == ["store:praha", "system", "timestamp"]

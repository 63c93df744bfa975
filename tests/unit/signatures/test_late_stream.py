"""Candidates for detached content: hundreds of files, few of them open at a time."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from tests.unit.signatures.test_cades import CONTENT, message
from tests.unit.validation.laboratory import NOW, world
from zdda.cli.validation_worker import validate_file
from zdda.model.clock import format_time
from zdda.signatures.late_stream import LateStream


def test_a_stream_is_open_only_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(b"0123456789")
    before = len(os.listdir("/proc/self/fd"))
    with LateStream(partial(path.open, "rb")) as stream:
        stream.seek(4)
        assert len(os.listdir("/proc/self/fd")) == before
        assert stream.read(3) == b"456"
        assert stream.tell() == 7
        assert len(os.listdir("/proc/self/fd")) == before + 1
        assert stream.read(100) == b"789"
        assert stream.read(100) == b""
        assert len(os.listdir("/proc/self/fd")) == before
        assert stream.seek(-2, os.SEEK_END) == 8
        assert stream.seek(1, os.SEEK_CUR) == 9
        assert stream.read() == b"9"
    assert len(os.listdir("/proc/self/fd")) == before


def test_content_is_found_among_two_hundred_files(tmp_path: Path) -> None:
    """A worker may have 64 files open."""
    for number in range(200):
        (tmp_path / f"{number:03}").write_bytes(CONTENT if number == 150 else b"%d" % number)
    signed, root = tmp_path / "signed.p7s", tmp_path / "root.der"
    signed.write_bytes(message(content=None))
    root.write_bytes(world().root.der)
    request = {
        "document": str(signed),
        "detached": [str(tmp_path / f"{number:03}") for number in range(200)],
        "trust_anchors": [str(root)],
        "at": format_time(NOW),
    }
    before = len(os.listdir("/proc/self/fd"))
    found = validate_file(request)["report"]["signatures"][0]
    assert (found["intact"], found["valid"]) == (True, True)
    assert len(os.listdir("/proc/self/fd")) == before
    missing = validate_file({**request, "detached": [str(tmp_path / "absent")]})
    assert missing == {"error": "a file cannot be read: no such file"}

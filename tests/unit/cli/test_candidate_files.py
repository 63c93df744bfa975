"""Candidates for detached content: hundreds of files, few of them open at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.signatures.test_cades import CONTENT, message
from tests.unit.validation.laboratory import NOW, world
from zdda.cli.candidate_files import CandidateFile
from zdda.cli.validation_worker import validate_file
from zdda.model.clock import format_time


def test_a_file_is_open_only_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(b"0123456789")
    before = len(os.listdir("/proc/self/fd"))
    with CandidateFile(path) as file:
        assert len(os.listdir("/proc/self/fd")) == before
        assert file.seek(0, os.SEEK_END) == 10
        file.seek(4)
        assert file.read(3) == b"456"
        assert file.tell() == 7
        assert len(os.listdir("/proc/self/fd")) == before + 1
        assert file.read() == b"789"
        assert len(os.listdir("/proc/self/fd")) == before
        file.seek(-2, os.SEEK_END)
        assert file.read(8) == b"89"
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_no_file_is_said_at_once(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(OSError, match=r"regular|No such"):
            CandidateFile(path)


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
    assert missing == {"error": "a file cannot be read: No such file or directory"}

"""The kernel's own word on what happens to a file, by both of its means."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from zdda.storage import kernel_witness
from zdda.storage.kernel_witness import KernelWitness, witnessed


def erase_in(folder: Path) -> None:
    for name in ("objects", "erasing"):
        (folder / name).mkdir()
    (folder / "objects" / "abc").write_bytes(b"x" * 100)


def destroy(folder: Path) -> None:
    (folder / "objects" / "abc").rename(folder / "erasing" / "abc")
    (folder / "erasing" / "abc").write_bytes(b"\0" * 100)
    (folder / "erasing" / "abc").rename(folder / "erasing" / "gone")
    (folder / "erasing" / "gone").unlink()


@pytest.fixture(params=["fanotify", "inotify"])
def means(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """fanotify only for those who may use it; without it inotify is what there is."""
    if request.param == "inotify":
        real = kernel_witness._libc

        class WithoutFanotify:
            def __getattr__(self, name: str) -> Callable[..., int]:
                return (lambda *_: -1) if name == "fanotify_init" else getattr(real, name)

        monkeypatch.setattr(kernel_witness, "_libc", WithoutFanotify())
    return str(request.param)


def test_the_kernel_tells_what_became_of_a_file(means: str, tmp_path: Path) -> None:
    """Events of one name may come as one."""
    erase_in(tmp_path)
    with witnessed([tmp_path / "objects", tmp_path / "erasing"]) as witness:
        assert witness is not None
        if means == "fanotify" and witness.means == "inotify":
            assert os.geteuid() != 0, "whoever is root may use fanotify"
            return
        assert witness.means == means
        destroy(tmp_path)
        told = witness.reports()
        assert witness.reports() == []
    kinds: dict[str, set[str]] = {}
    for each in told:
        kind, name, *by = each.split(" ", 2)
        kinds.setdefault(name, set()).update(kind.split("+"))
        assert by == ([f"by process {os.getpid()}"] if means == "fanotify" else [])
    assert kinds == {"abc": {"moved-from", "moved-to", "modified"}, "gone": {"moved-to", "deleted"}}


def test_what_others_do_elsewhere_is_not_told(means: str, tmp_path: Path) -> None:
    erase_in(tmp_path)
    with witnessed([tmp_path / "erasing"]) as witness:
        (tmp_path / "objects" / "abc").unlink()
        assert witness is not None
        assert witness.reports() == []


def test_a_folder_that_is_not_there_has_no_witness(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="report"):
        KernelWitness([tmp_path / "absent"])
    with witnessed([tmp_path / "absent"]) as witness:
        assert witness is None

"""Workers: whatever hostile bytes do to one, the call ends with a reason and the next call is served."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.jobs.hostile_work import NAME
from zdda.jobs.worker import encode_frame, read_frame
from zdda.jobs.worker_pool import PoolClosed, WorkerFailed, WorkerLimits, WorkerPool, WorkerRefused

MODULE = "tests.unit.jobs.hostile_work"
ROOT = Path(__file__).resolve().parents[3]
MIB = 1024 * 1024
LIMITS = WorkerLimits(cpu_seconds=30, wall_seconds=30, address_space=512 * MIB, result_bytes=MIB)


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # workers look for modules here


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    made = WorkerPool(1, LIMITS, (MODULE,))
    yield made
    made.close()


def test_values_go_there_and_back(pool: WorkerPool) -> None:
    value = {"a": [1, None, True, "š"], "b": {}}
    assert pool.call(f"{NAME}:echo", value) == value
    assert pool.answers()


def test_a_worker_serves_many_calls_and_is_replaced_in_time() -> None:
    pool = WorkerPool(1, replace(LIMITS, calls=3), (MODULE,))
    seen = [pool.call(f"{NAME}:process") for _ in range(7)]
    assert [seen.count(one) for one in dict.fromkeys(seen)] == [3, 3, 1]
    pool.close()


@pytest.mark.parametrize(
    ("function", "arguments", "reason"),
    [
        ("memory", (), "internal"),
        ("leave", (), "crashed"),
        ("recurse", (), "internal"),
        ("huge", (2 * MIB,), "oversized"),
        ("not_json", (), "crashed"),
        ("forge", (), "crashed"),
        ("fail", (), "internal"),
        ("open_many", (), "internal"),
        ("no_such_function", (), "internal"),
    ],
)
def test_whatever_it_does_the_next_call_is_served(
    pool: WorkerPool, function: str, arguments: tuple[object, ...], reason: str
) -> None:
    with pytest.raises(WorkerFailed) as raised:
        pool.call(f"{NAME}:{function}", *arguments)
    assert raised.value.details["reason"] == reason
    assert "patient" not in str(raised.value)
    assert pool.call(f"{NAME}:echo", 1) == 1


def test_a_worker_writes_no_files(pool: WorkerPool, tmp_path: Path) -> None:
    with pytest.raises(WorkerFailed):
        pool.call(f"{NAME}:write_file", str(tmp_path / "file"))
    assert not (tmp_path / "file").stat().st_size


def test_an_endless_loop_is_killed_by_its_processor_time() -> None:
    pool = WorkerPool(1, replace(LIMITS, cpu_seconds=1), (MODULE,))
    with pytest.raises(WorkerFailed) as raised:
        pool.call(f"{NAME}:loop")
    assert raised.value.details["reason"] == "crashed"
    assert pool.call(f"{NAME}:echo", 1) == 1
    pool.close()


def test_who_sleeps_is_killed_by_the_time_that_passes() -> None:
    pool = WorkerPool(1, LIMITS, (MODULE,))
    worker = pool.call(f"{NAME}:process")
    pool._limits = replace(LIMITS, wall_seconds=0.2)
    pool._free[0]._limits = pool._limits
    with pytest.raises(WorkerFailed) as raised:
        pool.call(f"{NAME}:sleep")
    assert raised.value.details["reason"] == "timeout"
    assert not Path(f"/proc/{worker}").exists()
    pool.close()


def test_an_error_of_the_archive_passes_by_its_code(pool: WorkerPool) -> None:
    worker = pool.call(f"{NAME}:process")
    with pytest.raises(WorkerRefused) as raised:
        pool.call(f"{NAME}:refuse")
    assert raised.value.details["code"] == "invalid-input"
    assert str(raised.value) == "a reason"
    assert pool.call(f"{NAME}:process") == worker  # a refusal is an answer


@pytest.mark.parametrize("function", ["os:getpid", "subprocess:run", "zdda.jobs.worker:no", "zdda.none:x", "zdda", ""])
def test_a_worker_calls_the_archives_own_functions_only(pool: WorkerPool, function: str) -> None:
    with pytest.raises(WorkerFailed):
        pool.call(function)


def test_what_a_library_prints_is_no_answer(pool: WorkerPool) -> None:
    assert pool.call(f"{NAME}:chatter", "answer") == "answer"


def test_a_worker_knows_no_secrets(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZDDA_DATABASE__URL", "postgresql://kis:secret@db/zdda")
    assert set(pool.call(f"{NAME}:surroundings")) <= {"LANG", "LC_CTYPE", "PYTHONDONTWRITEBYTECODE"}


def test_a_free_worker_that_died_is_replaced(pool: WorkerPool) -> None:
    worker = pool.call(f"{NAME}:process")
    _kill_and_wait(worker)
    assert pool.call(f"{NAME}:process") != worker


def test_calls_of_many_threads_share_the_places() -> None:
    pool = WorkerPool(2, LIMITS, (MODULE,))
    answers: list[int] = []
    workers: set[int] = set()

    def work(number: int) -> None:
        workers.add(pool.call(f"{NAME}:process"))
        answers.append(pool.call(f"{NAME}:echo", number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == list(range(8))
    assert 1 <= len(workers) <= 2
    pool.close()


def test_a_worker_outlives_the_thread_that_called_it_first(pool: WorkerPool) -> None:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(pool.call(f"{NAME}:process")))
    thread.start()
    thread.join()
    assert pool.call(f"{NAME}:process") == seen[0]


def test_a_closed_pool_takes_no_calls(pool: WorkerPool) -> None:
    worker = pool.call(f"{NAME}:process")
    pool.close()
    assert not Path(f"/proc/{worker}").exists()
    with pytest.raises(PoolClosed):
        pool.call(f"{NAME}:echo", 1)
    assert not pool.answers()
    pool.close()


def test_running_calls_end_by_themselves_when_the_pool_closes(tmp_path: Path) -> None:
    pool = WorkerPool(2, LIMITS, (MODULE,))
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    os.mkfifo(begun)
    os.mkfifo(go_on)
    results: list[object] = []
    calling = threading.Thread(target=lambda: results.append(pool.call(f"{NAME}:meet", str(begun), str(go_on))))
    calling.start()
    assert begun.read_bytes() == b"begun"
    closing = threading.Thread(target=pool.close)
    closing.start()
    closing.join(0.2)
    go_on.write_bytes(b"done")
    for thread in (calling, closing):
        thread.join()
    assert results == ["done"]


def test_workers_die_with_their_parent() -> None:
    program = (
        "import sys, time\n"
        "from zdda.jobs.worker_pool import WorkerLimits, WorkerPool\n"
        f"pool = WorkerPool(1, WorkerLimits(), ({MODULE!r},))\n"
        f"print(pool.call({NAME + ':process'!r}), flush=True)\n"
        f"pool.call({NAME + ':sleep'!r})\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    worker = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    ended, _, _ = select.select([worker], [], [], 20)  # readable once the process has ended
    os.close(worker)
    assert ended


@pytest.mark.parametrize("data", [b"\0", b"\0\0\0\5{}", (100).to_bytes(4) + b"{}" * 50])
def test_frames_that_are_none(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "frame"
    file.write_bytes(data)
    with file.open("rb") as stream, pytest.raises(ValueError, match="frame"):
        read_frame(stream, limit=64)


def test_frames_read_back(tmp_path: Path) -> None:
    file = tmp_path / "frame"
    file.write_bytes(encode_frame({"a": 1}) + encode_frame([]))
    with file.open("rb") as stream:
        assert [read_frame(stream), read_frame(stream), read_frame(stream)] == [{"a": 1}, [], None]


def _kill_and_wait(process: int) -> None:
    descriptor = os.pidfd_open(process)
    os.kill(process, 9)
    select.select([descriptor], [], [], 20)
    os.close(descriptor)


def test_a_worker_without_descriptors_is_replaced(pool: WorkerPool) -> None:
    before = pool.call(f"{NAME}:process")
    with pytest.raises(WorkerFailed):
        pool.call(f"{NAME}:open_many")
    assert pool.call(f"{NAME}:process") != before

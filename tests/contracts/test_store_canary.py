"""The canary: held by real stores, given way to by every liar; what intake then does."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conformance.test_archive_in_s3 import CONTENT, use_bucket
from tests.services.s3 import S3_STORES, address_in, fresh_bucket
from tests.simulator.archive import SimulatedArchive, make_archive
from tests.simulator.faulty_store import Answer, FaultyStore, Forward, Request, honest, refusal
from tests.simulator.lying_store import LIES, LyingStore
from tests.test_architecture import ROOT
from zdda.cli.main import application
from zdda.model.clock import SystemClock, system_entropy
from zdda.model.errors import Unavailable
from zdda.storage.blob_store import StoreNotGuaranteed
from zdda.storage.canary import WEAKNESSES, Canary, Outcome, Trial, guaranteed
from zdda.storage.guarantee import CanaryGuarantee, NoGuarantee
from zdda.storage.s3_client import S3Address, connect

WEAK = {"ceph": {"past-2106"}, "versitygw": {"hold-outlasts"}}
DOCUMENT = ROOT / "docs" / "operations" / "store-canary.md"


def trials_of(address: S3Address, *, wait: bool = False) -> dict[str, Trial]:
    client = connect(address)
    sleep = {} if wait else {"sleep": lambda _seconds: None}
    trials = Canary(client, address.bucket, SystemClock(), system_entropy, **sleep).run()
    return {trial.name: trial for trial in trials}


@pytest.fixture(scope="module")
def ceph_bucket() -> S3Address:
    return fresh_bucket("ceph")


@pytest.mark.parametrize("name", S3_STORES)
def test_real_stores_hold_and_their_weaknesses_are_known(name: str) -> None:
    address = fresh_bucket(name)
    trials_of(address)  # what an earlier canary leaves there
    trials = trials_of(address, wait=True)
    assert {each for each in trials if trials[each].outcome is Outcome.WEAK} == WEAK[name]
    assert {each for each in trials if trials[each].outcome is not Outcome.HELD} == WEAK[name], trials
    assert guaranteed(list(trials.values()))


def test_the_document_lists_the_trials(ceph_bucket: S3Address) -> None:
    listed = re.findall(r"^\| `([a-z0-9-]+)` \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert set(listed) == set(trials_of(ceph_bucket))
    assert len({lie.removesuffix("-told") for lie in LIES} | WEAKNESSES) == len(set(listed)) == 19


@pytest.mark.parametrize("lie", LIES)
def test_every_liar_is_found_out_and_by_the_trial_of_that_name(lie: str) -> None:
    address = fresh_bucket("ceph")
    with FaultyStore(address.endpoint, LyingStore(lie)) as proxy:
        trials = trials_of(replace(address, endpoint=proxy.endpoint))
    name = lie.removesuffix("-told")
    assert trials[name].outcome is Outcome.GAVE_WAY, trials
    assert not guaranteed(list(trials.values()))


def test_moto_gives_way() -> None:
    trials = trials_of(fresh_bucket("moto"))
    gave_way = {name for name, trial in trials.items() if trial.outcome is Outcome.GAVE_WAY}
    assert gave_way >= {"shorten", "downgrade", "bypass"}
    assert not guaranteed(list(trials.values()))


def test_a_trial_without_an_answer_hides_no_other() -> None:
    address = fresh_bucket("ceph")
    lying = LyingStore("shorten")

    def silent_on_delete(request: Request, forward: Forward) -> Answer:
        whole = request.method == "DELETE" and not request.key
        return refusal(503, "SlowDown") if whole else lying(request, forward)

    with FaultyStore(address.endpoint, silent_on_delete) as proxy:
        trials = trials_of(replace(address, endpoint=proxy.endpoint, attempts=1))
    assert trials["shorten"].outcome is Outcome.GAVE_WAY
    assert trials["bucket-deleted"].outcome is Outcome.NOT_TRIED


def test_a_store_that_only_says_that_it_deletes_is_not_believed() -> None:
    address = fresh_bucket("ceph")

    def polite(request: Request, forward: Forward) -> Answer:
        return Answer(204) if request.method == "DELETE" and "versionId" in request.query else forward(request)

    with FaultyStore(address.endpoint, polite) as proxy:
        assert trials_of(replace(address, endpoint=proxy.endpoint))["delete"].outcome is Outcome.GAVE_WAY


def test_what_the_account_may_not_do_is_not_tried() -> None:
    address = fresh_bucket("ceph")

    def one_bucket(request: Request, forward: Forward) -> Answer:
        own = request.target.startswith((f"/{address.bucket}/", f"/{address.bucket}?"))
        return forward(request) if own else refusal(403, "AccessDenied")

    with FaultyStore(address.endpoint, one_bucket) as proxy:
        trials = trials_of(replace(address, endpoint=proxy.endpoint))
    missed = {name for name, trial in trials.items() if trial.outcome is Outcome.NOT_TRIED}
    assert missed == {"hold", "default-removed", "versioning-suspended", "bucket-deleted"}
    assert guaranteed(list(trials.values()))


def test_a_store_that_does_not_answer_is_no_store_that_holds() -> None:
    address = fresh_bucket("ceph")

    def silent_on_delete(request: Request, forward: Forward) -> Answer:
        return refusal(503, "SlowDown") if request.method == "DELETE" else forward(request)

    with FaultyStore(address.endpoint, silent_on_delete) as proxy, pytest.raises(Unavailable):
        trials_of(replace(address, endpoint=proxy.endpoint, attempts=1))
    assert not guaranteed([])
    assert not guaranteed([Trial("delete", Outcome.NOT_TRIED)])


class Moments:
    def __init__(self) -> None:
        self.moment = SystemClock().now()

    def now(self) -> datetime:
        return self.moment


def test_a_guarantee_is_what_the_last_canary_found() -> None:
    clock, told = Moments(), list[str]()
    answers: list[list[Trial] | Unavailable] = [
        Unavailable("no answer"),
        [Trial("delete", Outcome.HELD), Trial("past-2106", Outcome.WEAK, "wraps")],
        [Trial("delete", Outcome.GAVE_WAY, "the version is gone")],
        Unavailable("no answer"),
        [Trial("delete", Outcome.HELD)],
    ]

    def attempt() -> list[Trial]:
        answer = answers.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    guarantee = CanaryGuarantee(attempt, clock, lambda event, _found: told.append(event))
    assert "no canary" in (guarantee.problem() or "")
    problems = []
    for hours in (0, 1, 24, 24, 1):
        clock.moment += timedelta(hours=hours)
        guarantee.try_if_due()
        guarantee.try_if_due()
        problems.append(guarantee.problem())
    gives_way = "the store gives way: delete: the version is gone"
    assert problems == ["no canary has tried the store yet", None, gives_way, gives_way, None]
    assert told == [
        "canary-unanswered",
        "store-held",
        "store-weak",
        "store-gives-way",
        "canary-unanswered",
        "store-held",
    ]
    assert answers == []
    NoGuarantee("never").try_if_due()
    assert NoGuarantee("never").problem() == "never"


def guarded(folder: Path) -> SimulatedArchive:
    """An archive with a class that needs a guaranteed store."""
    make_archive(folder).close()
    with (folder / "zdda.toml").open("a") as file:
        file.write('\n[[retention]]\nname = "guarded"\nyears = 5\nguaranteed_store = true\n')
    return make_archive(folder)


def test_a_folder_takes_nothing_that_needs_a_guaranteed_store(tmp_path: Path) -> None:
    archive = guarded(tmp_path)
    with pytest.raises(StoreNotGuaranteed, match="filesystem"):
        archive.deposit([CONTENT], {"retentionClass": "guarded"})
    archive.deposit([CONTENT])
    archive.close()


def test_intake_stops_while_the_store_gives_way_and_reading_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = address_in("ceph")
    with FaultyStore(address.endpoint) as proxy:
        use_bucket(monkeypatch, replace(address, endpoint=proxy.endpoint))
        archive = guarded(tmp_path)
        with pytest.raises(StoreNotGuaranteed, match="no canary"):
            archive.deposit([CONTENT], {"retentionClass": "guarded"})
        archive.settle()
        deposit = archive.deposit([CONTENT], {"retentionClass": "guarded"})
        archive.settle()
        archive.close()

        proxy.rule = LyingStore("delete")
        archive = make_archive(tmp_path)
        archive.settle()
        with pytest.raises(StoreNotGuaranteed, match="gives way: delete"):
            archive.deposit([b"more"], {"retentionClass": "guarded"})
        archive.deposit([b"more"])
        archive.settle()
        package = archive.status(deposit).package_id
        assert package is not None
        with archive.archive.packages.document(package, 1, "somebody").chunks as chunks:
            assert b"".join(chunks) == CONTENT
        archive.close()


def test_the_command_says_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = fresh_bucket("ceph")
    (tmp_path / "zdda.toml").write_text("")
    ask = ["store", "canary", "main", "--folder", str(tmp_path)]
    assert CliRunner().invoke(application("store"), ask).exit_code == 3
    with FaultyStore(address.endpoint, honest) as proxy:
        use_bucket(monkeypatch, replace(address, endpoint=proxy.endpoint))
        held = CliRunner().invoke(application("store"), [*ask, "--json"])
        assert held.exit_code == 0, held.output
        assert {json.loads(line)["trial"] for line in held.stdout.splitlines()} >= {"delete", "swift"}
        proxy.rule = LyingStore("clear")
        lying = CliRunner().invoke(application("store"), ask)
        assert lying.exit_code == 1
        assert "clear: gave way (the lock is gone (mode: none))" in lying.output
    assert CliRunner().invoke(application("store"), ["store", "canary", "other", *ask[3:]]).exit_code == 3


def test_probes_are_no_strays_and_swept_when_their_lock_is_over(ceph_bucket: S3Address) -> None:
    from zdda.storage.s3_blobs import S3Blobs

    trials_of(ceph_bucket)
    store = S3Blobs(ceph_bucket)
    assert list(store.strays()) == []
    store.close()

"""The sealed verdicts made again: the same bytes on any day and in any process; what differs is told."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace as with_members
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import typer
from package_signers import signer
from typer.testing import CliRunner

from tests.simulator.examiners import PoolHere
from tests.unit.access.archived_documents import anchors, documents, packed
from tests.unit.validation.laboratory import world
from zdda.cli import replay as command
from zdda.cli.validate import validate
from zdda.crypto.algorithm_document import CatalogueError, read_canonical
from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.fsck import replay as module
from zdda.fsck.replay import CannotReplay, PackageReplay, Replay
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.clock import SystemClock
from zdda.model.identifiers import TenantId
from zdda.packaging.aip_reader import Aip, open_aip
from zdda.packaging.amendment import AmendedPackage, Amendment, make_amendment
from zdda.packaging.renewed_validation import VALIDATION, RenewedValidation, ValidatedDocument
from zdda.trust.anchors import TrustAnchors
from zdda.validation import pinned_rules
from zdda.validation import validate as engine
from zdda.validation.constraints import Level
from zdda.validation.policy import ValidationPolicy
from zdda.validation.policy_document import PolicyError, read_canonical_policy

ROOT = Path(__file__).resolve().parents[3]
application = typer.Typer()
application.command()(validate)


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(tmp_path_factory.mktemp("replay"))


@pytest.fixture
def package(container: Path) -> Iterator[Aip]:
    with container.open("rb") as source:
        yield open_aip(source)


@pytest.fixture
def anchor_options(tmp_path: Path) -> list[str]:
    options = []
    for number, der in enumerate(anchors().certificates):
        (tmp_path / f"{number}.der").write_bytes(der)
        options += ["--trust-anchor", str(tmp_path / f"{number}.der")]
    return options


def replay(package: Aip, number: int, trusted: TrustAnchors) -> Replay:
    return PackageReplay(package, trusted).document(number)


def test_every_document_gets_the_same_bytes(package: Aip) -> None:
    for number in range(1, 6):
        found = replay(package, number, anchors())
        assert found.same_version
        assert found.differences == ()
        assert not found.own_rules
        assert found.sealed == found.made
        assert found.same()
    with pytest.raises(TypeError):
        bool(found)


def test_the_sealed_report_rests_on_revocation_data_that_were_fetched(package: Aip) -> None:
    """Without them the replay would find less: this shows that the tests above are about something."""
    report: Any = package.report(1)
    assert report["signatures"][0]["revocationData"]
    assert [item["indication"] for item in report["signatures"]] == ["TOTAL_PASSED"]


def test_a_signature_beside_its_content_finds_it_again(package: Aip) -> None:
    report: Any = package.report(4)
    assert [item["indication"] for item in report["signatures"]] == ["TOTAL_PASSED"]


def test_other_documents_are_guesses_as_they_were_at_intake(tmp_path: Path) -> None:
    """A lone sibling that is not what was signed: nobody said that it is."""
    with packed(tmp_path, (documents()[3], b"something else")).open("rb") as source:
        package = open_aip(source)
        report: Any = package.report(1)
        assert report["signatures"][0]["subindication"] == "SIGNED_DATA_NOT_FOUND"
        assert replay(package, 1, anchors()).same()


def test_data_that_are_held_back_are_missed(package: Aip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_revocation", lambda *_: module.RevocationData())
    found = replay(package, 1, anchors())
    assert not found.same()
    assert any(each.kind == "verdict" for each in found.differences)


def test_neither_the_order_of_the_anchors_nor_others_beside_them_matter(package: Aip) -> None:
    given = tuple(reversed(anchors().certificates))
    found = replay(package, 1, TrustAnchors((world().issuing.der, *given)))
    assert found.sealed == found.made


def test_an_anchor_that_was_not_given_is_not_taken_from_the_package(package: Aip) -> None:
    with pytest.raises(CannotReplay) as caught:
        replay(package, 1, TrustAnchors((world().issuing.der,)))
    assert caught.value.details["reason"] == "anchors"
    assert caught.value.details["missing"] == list(anchors().digests)


def test_another_engine_with_the_same_findings_is_the_same(package: Aip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ENGINE", "zdda-en319102/999")
    found = replay(package, 1, anchors())
    assert not found.same_version
    assert found.same()
    assert [(each.kind, each.where, each.after) for each in found.differences] == [
        ("pin", "engine", "zdda-en319102/999")
    ]


def strict_policy() -> ValidationPolicy:
    """By which nothing passes."""
    default = ValidationPolicy()
    signer = with_members(default.signature.signer, key_usage=frozenset({"crl_sign"}), key_usage_level=Level.FAIL)
    return with_members(default, name="another", signature=with_members(default.signature, signer=signer))


def test_rules_that_have_changed_since_are_taken_from_the_package(
    package: Aip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever this release ships by now."""
    monkeypatch.setattr(pinned_rules, "_SHIPPED", (strict_policy(), AlgorithmCatalogue(digests={}, keys={})))
    for number in range(1, 6):
        found = replay(package, number, anchors())
        assert found.own_rules
        assert found.policy == ("zdda-default-1", ValidationPolicy().digest)
        assert found.same_version
        assert found.sealed == found.made


def test_an_upgrade_between_validation_and_sealing_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upgraded(point: str) -> None:
        if point == "validated.committed":
            monkeypatch.setattr(pinned_rules, "_SHIPPED", (strict_policy(), AlgorithmCatalogue(digests={}, keys={})))

    with packed(tmp_path, documents()[:1], upgraded).open("rb") as source:
        found = replay(open_aip(source), 1, anchors())
    assert found.same_version
    assert found.sealed == found.made


def test_the_package_keeps_the_rules_under_their_digests(package: Aip) -> None:
    assert ValidationPolicy().canonical in package.validation_data("rules")
    assert package.rules(AlgorithmCatalogue().digest) == AlgorithmCatalogue().canonical
    assert package.rules("00" * 32) is None


def test_rules_of_a_form_that_is_not_known_cannot_be_followed(package: Aip, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PolicyError):
        read_canonical_policy(ValidationPolicy().canonical.replace(b'"name"', b'"nom"'))
    with pytest.raises(CatalogueError):
        read_canonical(b"{}")
    monkeypatch.setattr(Aip, "rules", lambda *_: b"{}")  # not what the pin says
    with pytest.raises(CannotReplay) as caught:
        replay(package, 1, anchors())
    assert caught.value.details["reason"] == "rules"


def test_what_is_canonical_is_read_as_it_was() -> None:
    assert read_canonical_policy(strict_policy().canonical) == strict_policy()
    assert read_canonical(AlgorithmCatalogue().canonical).digest == AlgorithmCatalogue().digest
    with pytest.raises(CatalogueError):
        read_canonical(AlgorithmCatalogue().canonical + b" ")


def test_an_older_package_is_repeated_by_the_rules_at_hand(package: Aip, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps none: verdicts and constraints tell what another policy makes of it."""
    monkeypatch.setattr(Aip, "rules", lambda *_: None)
    monkeypatch.setattr(pinned_rules, "_SHIPPED", (strict_policy(), AlgorithmCatalogue()))
    found = replay(package, 1, anchors())
    assert not found.same_version
    assert not found.same()
    kinds = {each.kind for each in found.differences}
    assert {"pin", "constraint", "verdict"} <= kinds


def test_the_same_version_with_another_result_differs(package: Aip, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(*arguments: Any, **options: Any) -> Any:
        made = engine.validate_document(*arguments, **options)
        made.content["signatures"][0]["buildingBlocks"][0]["constraints"][0]["checked"] = "other"
        return made

    monkeypatch.setattr(module, "validate_document", other)
    found = replay(package, 1, anchors())
    assert found.same_version
    assert not found.same()
    assert [each.where for each in found.differences if each.kind == "constraint"]


def test_a_document_that_was_not_validated_cannot_be_repeated(package: Aip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Aip, "report", lambda *_: {"format": "zdda-not-validated/1", "reason": "timeout"})
    with pytest.raises(CannotReplay, match="not validated"):
        replay(package, 1, anchors())
    with pytest.raises(CannotReplay, match="no document"):
        replay(package, 6, anchors())


class Here(PoolHere):
    def __init__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No processes, and a clock that must not be asked."""
    monkeypatch.setattr(command, "WorkerPool", Here)
    monkeypatch.setattr(SystemClock, "now", lambda _: pytest.fail("a replay asks no clock"))


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(application, ["--replay", *arguments])
    return result.exit_code, result.output


def test_the_command_says_same_and_different(
    here: None, container: Path, anchor_options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, output = run(str(container), *anchor_options)
    assert (status, output.count("the same result by the same version")) == (0, 5)
    assert run(str(container), "--document", "2", *anchor_options)[1].startswith("Document 2: the same result")
    status, output = run(str(container), "--json", *anchor_options)
    assert [each["same"] for each in json.loads(output)["documents"]] == [True] * 5
    monkeypatch.setattr(module, "_revocation", lambda *_: module.RevocationData())
    status, output = run(str(container), *anchor_options)
    assert status == 1
    assert "Document 1: ANOTHER RESULT" in output
    assert "verdict signatures/signature" in output


def test_what_cannot_be_repeated_is_status_three(
    here: None, container: Path, anchor_options: list[str], tmp_path: Path
) -> None:
    assert run(str(container))[0] == 3
    assert run(str(container), "--document", "9", *anchor_options)[0] == 3
    assert run(str(tmp_path / "none.asice"), *anchor_options)[0] == 3
    broken = bytearray(container.read_bytes())
    broken[len(broken) // 2] ^= 1
    (tmp_path / "broken.asice").write_bytes(broken)
    assert run(str(tmp_path / "broken.asice"), *anchor_options)[0] == 3
    (tmp_path / "text.asice").write_bytes(b"no package")
    assert run(str(tmp_path / "text.asice"), *anchor_options)[0] == 3
    assert run(str(container), "--trust-anchor", str(container))[0] == 3
    assert run(str(container), "--at", "2026-01-01T00:00:00Z")[0] == 2
    assert CliRunner().invoke(application, [str(container), "--document", "1"]).exit_code == 2


def amended(package: Aip, of: UUID, kind: str = VALIDATION) -> bytes:
    """An amendment that holds the sealed report on document 1."""
    rules = [parse_json(each.canonical) for each in (ValidationPolicy(), AlgorithmCatalogue())]
    body: Any = RenewedValidation((ValidatedDocument(1, "TOTAL_PASSED", package.report(1)),), *rules)
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    content = Amendment(
        uuid4(),
        TenantId("hospital"),
        now,
        kind,
        (AmendedPackage(of, 2, bytes(32)),),
        body if kind == VALIDATION else {},
    )
    return make_amendment(content, signer())


def test_the_reports_of_an_amendment_are_made_again(
    here: None, container: Path, package: Aip, anchor_options: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "amendment.p7m"
    asked = [str(container), "--amendment", str(file), "--json", *anchor_options]
    file.write_bytes(amended(package, package.package_id))
    status, output = run(*asked)
    assert status == 0
    assert [(each["document"], each["same"]) for each in json.loads(output)["documents"]] == [(1, True)]
    others = (amended(package, uuid4()), amended(package, package.package_id, "hold-placed"), b"no CMS", b"")
    for other in others:
        file.write_bytes(other)
        assert run(*asked)[0] == 3
    assert run(*asked, "--document", "1")[0] == 2
    assert CliRunner().invoke(application, [str(container), "--amendment", str(file)]).exit_code == 2


_CHILD = """
import datetime, sys, time
from zdda.model import clock
clock.SystemClock.now = lambda self: datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
from zdda.cli.validate import main
sys.argv = ["zdda", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(("seed", "zone"), [("1", "Pacific/Kiritimati"), ("4242", "America/Adak")])
def test_another_process_on_another_day_makes_the_same_bytes(
    container: Path, anchor_options: list[str], package: Aip, seed: str, zone: str
) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, "--replay", str(container), "--json", *anchor_options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    documents = json.loads(done.stdout)["documents"]
    assert [each["madeReport"] for each in documents] == [each["sealedReport"] for each in documents]
    assert documents[0]["sealedReport"] == hashlib.sha256(canonical_json(package.report(1))).hexdigest()

"""Fixtures that every room's tests may use, and the rule that nothing is skipped unseen."""

from __future__ import annotations

import os
from pathlib import Path

import pyhanko.sign.ades.qualified_asn1  # noqa: F401 - names an extension: before any certificate is read by names
import pytest

from tests.services.shared_service import versions_used
from zdda.cli.logs import configure_logs

ROOT = Path(__file__).resolve().parent.parent
EXPECTED_SKIPS: frozenset[str] = frozenset()
"""Reasons of skips that are right even where everything is installed."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public test data beside the project; tests that need it skip without it, and fail in CI."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder of public test data is absent")
    return folder


class _SkipsAreFailures:
    """In CI a skip that is not expected fails the run, and says which."""

    def __init__(self) -> None:
        self.unexpected: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            if reason.removeprefix("Skipped: ") not in EXPECTED_SKIPS:
                self.unexpected.append(f"{report.nodeid}: {reason}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unexpected and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.unexpected:
            terminalreporter.write_line(f"unexpected skip: {line}", red=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for version in versions_used():
        terminalreporter.write_line(f"tested against {version}")


def pytest_configure(config: pytest.Config) -> None:
    nowhere = Path(os.devnull).open("w")  # noqa: SIM115 - open for as long as the tests run
    configure_logs("debug", nowhere)  # a test that wants lines captures them
    if os.environ.get("CI"):
        config.pluginmanager.register(_SkipsAreFailures())

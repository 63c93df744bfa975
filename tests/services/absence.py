"""What a test does without the programs that it needs."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def absent(why: str) -> NoReturn:
    """Skips the test; in CI, where everything is installed, fails it."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)

"""What a command does not need it does not load: every process of the command line starts at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_HELP = """
import sys
from zdda.cli.main import application
application()
heavy = ("zdda.app", "zdda.demonstration", "fastapi", "sqlalchemy", "pyhanko.sign", "uvicorn")
print([name for name in heavy if name in sys.modules])
"""


def test_the_list_of_verbs_loads_neither_archive_nor_demonstration() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HELP], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "[]"

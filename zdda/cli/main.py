"""``zdda``: registers the verbs. Each says its exit statuses in its help."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import typer

VERBS = (
    "init",
    "serve",
    "deposit",
    "fetch",
    "validate",
    "verify",
    "fsck",
    "reconcile",
    "certificates",
    "store",
    "revalidate",
    "erase",
    "purge",
    "demonstrate",
    "catalog",
    "keys",
    "config",
)
"""Each is a function, or a group of commands, of that name in a module of that name."""


def application(verb: str | None = None) -> typer.Typer:
    """The command line with one verb, or with all: loading what serves the others takes seconds."""
    found = typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="A long-term trusted archive."
    )
    found.callback()(_nothing)
    for name in VERBS if verb is None else (verb,):
        command = getattr(import_module(f"zdda.cli.{name}"), name)
        if isinstance(command, typer.Typer):
            found.add_typer(command, name=name)
        else:
            found.command()(command)
    return found


def _nothing() -> None:
    """A long-term trusted archive."""


# Typer carries a Click of its own and names only this descendant of its exceptions
_WrongCommandLine: Any = typer.BadParameter.__mro__[2]


def main() -> None:
    """The console script. A wrong command line ends with 2; for ``verify``, where 2 means something, with 3."""
    try:
        asked = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] in VERBS else None
        status = application(asked)(standalone_mode=False)
    except typer.Abort:
        status = 130
    except _WrongCommandLine as error:
        error.show()
        status = 3 if sys.argv[1:2] == ["verify"] else error.exit_code
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()

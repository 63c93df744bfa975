"""``zdda``: registers the verbs. Each says its exit statuses in its help."""

from __future__ import annotations

import sys
from typing import Any

import typer

from zdda.cli.catalog import catalog
from zdda.cli.config import config
from zdda.cli.demonstrate import demonstrate
from zdda.cli.deposit import deposit
from zdda.cli.fetch import fetch
from zdda.cli.fsck import fsck
from zdda.cli.init import init
from zdda.cli.reconcile import reconcile
from zdda.cli.serve import serve
from zdda.cli.validate import validate
from zdda.cli.verify import verify

application = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="A long-term trusted archive."
)
for verb in (init, serve, deposit, fetch, validate, verify, fsck, reconcile, demonstrate):
    application.command()(verb)
application.add_typer(catalog, name="catalog")
application.add_typer(config, name="config")


# Typer carries a Click of its own and names only this descendant of its exceptions
_WrongCommandLine: Any = typer.BadParameter.__mro__[2]


def main() -> None:
    """The console script. A wrong command line ends with 2; for ``verify``, where 2 means something, with 3."""
    try:
        status = application(standalone_mode=False)
    except typer.Abort:
        status = 130
    except _WrongCommandLine as error:
        error.show()
        status = 3 if sys.argv[1:2] == ["verify"] else error.exit_code
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()

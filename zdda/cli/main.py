"""``zdda``: registers the verbs."""

from __future__ import annotations

import typer

from zdda.cli.demonstrate import demonstrate
from zdda.cli.verify import verify

application = typer.Typer(no_args_is_help=True, add_completion=False, help="A long-term trusted archive.")
application.command()(demonstrate)
application.command()(verify)


def main() -> None:
    """The console script."""
    application()


if __name__ == "__main__":
    main()

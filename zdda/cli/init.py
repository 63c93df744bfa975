"""``zdda init``: makes what a new archive needs. Never overwrites."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.settings import load

_TEMPLATE = """\
# Settings of the archive; docs/operations/settings.md lists every key and its default.
environment = "production"

[archive]
id = "{archive}"
tenant = "{tenant}"

[evidence]
# authorities = one table each; then name the hosts of its CRLs and OCSP responders under [trust]
# [[evidence.authorities]]
# url = "https://tsa.example/tsa"

[trust]
documents = []
authorities = []
seal = []
revocation_hosts = []

[[retention]]
name = "medical-record"
mark = "S"
years = 5
"""


def init(
    folder: Folder = HERE,
    archive: Annotated[str, typer.Option(help="Names this archive in its stores; never changed later.")] = "archive",
    tenant: Annotated[str, typer.Option(help="The organisation: a-z, 0-9, inner hyphens.")] = "default",
    account: Annotated[
        list[str] | None, typer.Option(help="NAME:ROLE[,ROLE] (producer, consumer, administrator); several.")
    ] = None,
) -> None:
    """Make settings, folders, keys, catalog and accounts; print each new account's password once."""
    from zdda.app import initialise, open_accounts
    from zdda.identity.accounts import Role

    file = folder / "zdda.toml"
    wanted = [_account(text, [role.value for role in Role]) for text in account or ()]
    with saying_why():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not file.exists():
            file.write_text(_TEMPLATE.format(archive=archive, tenant=tenant), encoding="utf-8")
        settings = load(file)
        initialise(settings, folder)
        with open_accounts(settings, folder) as accounts:
            for name, roles in wanted:
                password = secrets.token_urlsafe(18)
                accounts.create(name, password, [Role(role) for role in roles])
                typer.echo(f"{name}\t{password}")
    typer.echo(f"ready: {file}. Next: the seal's and the server's keys, trust anchors, then zdda serve.", err=True)


def _account(text: str, known: list[str]) -> tuple[str, list[str]]:
    name, colon, roles = text.partition(":")
    listed = roles.split(",") if colon else []
    if not name or not listed or not set(listed) <= set(known):
        raise typer.BadParameter(f"an account is NAME:ROLE[,ROLE] with roles {', '.join(known)}")
    return name, listed

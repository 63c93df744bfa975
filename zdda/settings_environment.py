"""Environment variables of one site: ``ZDDA_SITES__BRNO__S3__SECRET_KEY`` sets ``s3.secret_key`` of the site ``brno``.

A list of tables has no names that a variable could go on with; sites have, so their secrets need not stand in the file.
A hyphen in a site's name is an underscore in the variable's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_settings import EnvSettingsSource

_PREFIX = "ZDDA_SITES__"


class Environment(EnvSettingsSource):
    """The environment without what is said of single sites there."""

    def __call__(self) -> dict[str, Any]:
        state = super().__call__()
        if isinstance(state.get("sites"), dict):
            del state["sites"]
        return state


def with_sites_of(environment: Mapping[str, str], values: dict[str, Any]) -> dict[str, Any]:
    """``values`` of the file with what the environment says of its sites; raises ``KeyError`` with the variable's name
    where it is of no site that the file names, or goes through a key that is no table."""
    sites = [dict(site) if isinstance(site, dict) else site for site in values.get("sites", ())]
    named = {str(site.get("name")): site for site in sites if isinstance(site, dict)}
    for variable, value in environment.items():
        if not variable.upper().startswith(_PREFIX):
            continue
        name, *path = variable[len(_PREFIX) :].lower().split("__")
        table = named.get(name.replace("_", "-"))
        if table is None or not path:
            raise KeyError(variable)
        for key in path[:-1]:
            inner = table.get(key, {})
            if not isinstance(inner, dict):
                raise KeyError(variable)
            table[key] = inner = dict(inner)
            table = inner
        table[path[-1]] = value
    return {**values, "sites": sites} if sites else values

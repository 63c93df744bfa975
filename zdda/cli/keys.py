"""``zdda keys``: the generation keys and the key that wraps them. Shows no key."""

from __future__ import annotations

import hashlib
import json as json_module
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.crypto.generation_export import MAXIMUM_EXPORT, RecoveryRecipient, open_export, recovery_key
from zdda.crypto.generations import GenerationKeys
from zdda.model.clock import SystemClock, system_entropy
from zdda.model.errors import Conflict, InvalidInput
from zdda.model.identifiers import TenantId
from zdda.settings import Settings, load

keys = typer.Typer(no_args_is_help=True, help="The archive's keys.")
Number = Annotated[int, typer.Option("--generation", min=1, help="The generation's number.")]


@keys.callback()
def of_the_archive() -> None:
    """The archive's keys."""


@keys.command()
def status(
    folder: Folder = HERE,
    json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """The generations, who wraps them, and every counted copy. The archive may run.

    Exit status: 0, or 3 where the keys cannot be opened.
    """
    from zdda.crypto.approved import modules
    from zdda.crypto.self_tests import run_self_tests
    from zdda.key_keepers import named_keeper

    with saying_why():
        settings = load(folder / "zdda.toml")
        found = _opened(settings, folder)
        told = {tenant: _standing(found, tenant) for tenant in found.tenants()}
        passed = run_self_tests() if settings.keys.fips else ()
    libraries = [
        {"usedFor": each.used_for, "version": each.version, "fipsProvider": each.validated_provider}
        for each in modules()
    ]
    if json:
        fips = {"on": settings.keys.fips, "selfTests": passed, "modules": libraries}
        everything = {"wrappedBy": named_keeper(settings.keys), "fips": fips, "tenants": told}
        typer.echo(json_module.dumps(everything, ensure_ascii=False))
        return
    typer.echo(f"wrapped by {named_keeper(settings.keys)}")
    typer.echo(f"FIPS mode on, {len(passed)} self-tests passed" if settings.keys.fips else "FIPS mode off")
    for each in modules():
        provider = "its FIPS provider is in force" if each.validated_provider else "without a FIPS provider"
        typer.echo(f"  {each.version} ({each.used_for}): {provider}")
    for tenant, standing in told.items():
        typer.echo(f"tenant {tenant}")
        for one in standing["generations"]:
            state = "in use" if one["number"] == standing["current"] else "kept for older objects"
            typer.echo(f"  generation {one['number']}, made {one['created']}: {state}, {one['copies']} copies")
            _tell_exports(one["exports"])
        for one in standing["destroyed"]:
            typer.echo(f"  generation {one['number']}, made {one['created']}: destroyed {one['destroyed']}")
            _tell_exports(one["exports"])


@keys.command()
def generation(folder: Folder = HERE) -> None:
    """Make a new generation of the tenant: new objects are under it from the archive's next look, or its next start.

    The archive may run. Exit status: 0 made, 3 nothing was changed, or not to be told: look at the status.
    """
    with saying_why():
        settings = load(folder / "zdda.toml")
        found, tenant = _opened(settings, folder), TenantId(settings.archive.tenant)
        made = found.create(tenant)
        _audit(settings, folder, "generation-made", generation=made)
    typer.echo(f"generation {made} is made. Export it to the recovery key before much lies under it.")


@keys.command()
def export(
    generation: Number,
    recipient: Annotated[Path, typer.Option(help="The certificate of the offline recovery key (RSA), PEM or DER.")],
    out: Annotated[Path, typer.Option(help="The new file (CMS, DER).")],
    folder: Folder = HERE,
) -> None:
    """Seal one generation key to an offline recovery key; the copy is counted. The archive may run.

    Exit status: 0 written, 3 not; the copy may have been counted all the same.
    """
    from zdda.storage.durable_files import write_once

    with saying_why():
        settings = load(folder / "zdda.toml")
        to = RecoveryRecipient.load(_read(recipient))
        if out.exists():
            raise Conflict(f"{out.name} is there already")
        sealed = _opened(settings, folder).export(TenantId(settings.archive.tenant), generation, to)
        digest = hashlib.sha256(sealed).hexdigest()
        _audit(settings, folder, "generation-exported", generation=generation, recipient=to.fingerprint, sha256=digest)
        try:
            written = write_once(out, sealed)
        except OSError as error:
            raise InvalidInput(f"{out.name} cannot be written ({type(error).__name__}); nothing has left") from error
        if not written:
            raise Conflict(f"{out.name} is there already")
    typer.echo(f"generation {generation} is sealed to the certificate {to.fingerprint} in {out}: sha256 {digest}")


@keys.command("import")
def take_back(
    file: Annotated[Path, typer.Argument(help="What zdda keys export has written.")],
    recovery: Annotated[Path, typer.Option("--recovery-key", help="The recovery key, PEM; its password is asked for.")],
    password_file: Annotated[Path | None, typer.Option(help="The password is the first line of this file.")] = None,
    folder: Folder = HERE,
) -> None:
    """Put an exported generation back where the archive has lost it. The archive must not be running.

    Exit status: 0 it is there, 3 it cannot be put back: damaged, of another archive, or destroyed by the archive.
    """
    from zdda.key_keepers import generation_keys

    with saying_why():
        settings = load(folder / "zdda.toml")
        data, pem = _read(file), _read(recovery)
        content = open_export(data, recovery_key(pem, _password(pem, password_file)))
        if content.tenant != settings.archive.tenant:
            raise Conflict(f"the export is of the tenant {content.tenant}")
        found = generation_keys(settings.keys, folder, system_entropy, SystemClock())
        digest = hashlib.sha256(data).hexdigest()
        new = found.take_back(content, digest)
        if new:
            _audit(settings, folder, "generation-restored", generation=content.number, sha256=digest)
    typer.echo(f"generation {content.number} is {'there again' if new else 'there already'}.")


@keys.command()
def destroy(
    generation: Number,
    folder: Folder = HERE,
    execute: Annotated[bool, typer.Option("--execute", help="Destroy: nothing brings the key back.")] = False,
) -> None:
    """Destroy the key of a generation that no object record is under any more, and name its exports: they are to be
    destroyed by hand. From then on no old copy of object records that were under it opens anything. Without --execute
    only whether it may go. The archive must not be running.

    Exit status: 0 destroyed (or may be), 3 not: something is under it, or cannot be looked at.
    """
    from zdda.app import open_catalog, open_vault
    from zdda.retention.ending_generation import require_unused
    from zdda.storage.key_area import KeyArea

    with saying_why():
        settings = load(folder / "zdda.toml")
        with closing(open_vault(settings, folder)) as vault, open_catalog(settings, folder) as database:
            places: dict[str, KeyArea] = {str(number): area for number, area in enumerate(vault.key_areas)}
            places |= {site.name: site.records for site in vault.sites if site.records is not None}
            if not any(each.number == generation for each in vault.generations.destroyed(vault.tenant)):
                require_unused(database, places, generation)
            if not execute:
                typer.echo(f"nothing is under generation {generation}; --execute destroys its key")
                return
            gone = vault.generations.destroy(vault.tenant, generation)
    exports = [_export(one) for one in gone.exports]
    with saying_why():
        _audit(settings, folder, "generation-destroyed", generation=generation, exports=exports)
    typer.echo(f"the key of generation {generation} is destroyed ({gone.destroyed}).")
    if exports:
        typer.echo("Destroy these copies of it, and it is gone:")
        _tell_exports(exports)


@keys.command()
def rotate(
    before: Annotated[
        Path | None, typer.Option(help="The settings of before: a zdda.toml that names the old key.")
    ] = None,
    folder: Folder = HERE,
) -> None:
    """Wrap the generation keys by the key-encryption key that the settings name now; made where there is none. Without
    --before: by the newest version of the key that they are wrapped by (Vault, OpenBao).

    The archive must not be running. Exit status: 0 wrapped, or so already; 3 nothing was changed.
    """
    from zdda.key_keepers import rotate_key_encryption_key, wrap_anew

    with saying_why():
        now = load(folder / "zdda.toml")
        if before is None:
            wrapped = wrap_anew(now.keys, folder, system_entropy, SystemClock())
        else:
            wrapped = rotate_key_encryption_key(load(before).keys, now.keys, folder, system_entropy, SystemClock())
    if before is None:
        typer.echo(f"{wrapped} keys are wrapped anew by the same key.")
    elif wrapped:
        typer.echo(
            f"{wrapped} keys are wrapped by the new key. Destroy the old one, and old copies of the generations."
        )
    else:
        typer.echo("The keys are wrapped by the new key already.")


def _opened(settings: Settings, folder: Path) -> GenerationKeys:
    from zdda.key_keepers import open_generations

    return open_generations(settings.keys, folder, system_entropy, SystemClock())


def _standing(found: GenerationKeys, tenant: TenantId) -> dict[str, Any]:
    return {
        "current": found.current(tenant),
        "generations": [
            {
                "number": each.number,
                "created": each.created,
                "copies": 1 + len(each.exports),
                "exports": [_export(one) for one in each.exports],
            }
            for each in found.standing(tenant)
        ],
        "destroyed": [
            {
                "number": each.number,
                "created": each.created,
                "destroyed": each.destroyed,
                "exports": [_export(one) for one in each.exports],
            }
            for each in found.destroyed(tenant)
        ],
    }


def _export(one: Any) -> dict[str, str]:
    return {"exported": one.exported, "recipient": one.recipient, "sha256": one.sha256}


def _tell_exports(exports: list[dict[str, str]]) -> None:
    for one in exports:
        typer.echo(f"    exported {one['exported']} to the certificate {one['recipient']}: sha256 {one['sha256']}")


def _audit(settings: Settings, folder: Path, event: str, **facts: Any) -> None:
    from zdda.app import open_catalog
    from zdda.audit.log import record

    with open_catalog(settings, folder) as database, database.write() as tx:
        record(tx, SystemClock().now(), event, **facts)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM_EXPORT + 1)
    except OSError as error:
        raise InvalidInput(f"{path.name} cannot be read ({type(error).__name__})") from error
    if len(data) > MAXIMUM_EXPORT:
        raise InvalidInput(f"{path.name} is too long")
    return data


def _password(pem: bytes, password_file: Path | None) -> bytes | None:
    if b"ENCRYPTED" not in pem:
        return None
    if password_file is not None:
        return _read(password_file).partition(b"\n")[0].removesuffix(b"\r")
    answer: str = typer.prompt("Password of the recovery key", hide_input=True)
    return answer.encode("utf-8")

"""One setting moves the store from a folder to a bucket: deposits, reading, a restart and fsck go on as before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.s3 import S3_STORES, address_in
from tests.simulator.archive import make_archive
from tests.simulator.pki import NOW, pki
from zdda.app_stopped import open_to_doubt
from zdda.fsck.store_check import StoreCheck
from zdda.model.deposit import DepositState
from zdda.settings import SettingsInvalid, load
from zdda.storage.blob_store import WrongStore
from zdda.storage.canary import Canary
from zdda.storage.s3_blobs import S3Blobs
from zdda.storage.s3_client import S3Address, connect
from zdda.storage.s3_errors import StoreUnreachable
from zdda.store_opening import s3_address

CONTENT = b"%PDF-1.7 a letter of discharge"


def use_bucket(monkeypatch: pytest.MonkeyPatch, address: S3Address) -> None:
    """The settings' store; its canary does without the trial that takes seconds."""
    monkeypatch.setattr(Canary, "_hold_outlasts", lambda _self: None)
    monkeypatch.setenv("ZDDA_STORE__KIND", "s3")
    for name in ("endpoint", "bucket", "access_key", "secret_key"):
        monkeypatch.setenv(f"ZDDA_STORE__S3__{name.upper()}", getattr(address, name))


def findings(folder: Path) -> list[dict[str, object]]:
    with open_to_doubt(load(folder / "zdda.toml"), folder) as stores:
        return [line for line in StoreCheck(stores, pki().anchors, NOW).lines() if line["type"] == "finding"]


@pytest.mark.parametrize("name", S3_STORES)
def test_an_archive_lives_in_a_bucket(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address, folder = address_in(name), tmp_path / "archive"
    use_bucket(monkeypatch, address)
    archive = make_archive(folder)
    assert isinstance(archive.archive.vault.blobs, S3Blobs)
    deposit = archive.deposit([CONTENT, b"an attachment"])
    archive.settle()
    assert archive.status(deposit).state is DepositState.ARCHIVED
    package = archive.status(deposit).package_id
    archive.close()
    assert not (folder / "store").exists()
    assert findings(folder) == []

    again = make_archive(folder)
    assert package is not None
    with again.archive.packages.document(package, 1, "somebody").chunks as chunks:
        assert b"".join(chunks) == CONTENT
    later = again.deposit([b"another"])
    again.settle()
    assert again.status(later).state is DepositState.ARCHIVED
    objects = list(again.archive.vault.blobs.addresses())
    again.close()

    client, key = connect(address), f"objects/{objects[0].digest.hex()}"
    client.delete_object(Bucket=address.bucket, Key=key)
    assert findings(folder) == []
    client.put_object(Bucket=address.bucket, Key="objects/left-by-somebody", Body=b"x")
    assert [finding["code"] for finding in findings(folder)] == ["stray-file"]


def test_another_archive_does_not_take_the_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_bucket(monkeypatch, address_in("ceph"))
    make_archive(tmp_path / "one").close()
    monkeypatch.setenv("ZDDA_ARCHIVE__ID", "other")
    with pytest.raises(WrongStore):
        make_archive(tmp_path / "two")


def test_a_store_in_s3_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "zdda.toml"
    file.write_text('[store]\nkind = "s3"\n')
    with pytest.raises(SettingsInvalid, match=r"s3\.endpoint"):
        load(file)
    monkeypatch.setenv("ZDDA_STORE__S3__ENDPOINT", "http://store.example")
    with pytest.raises(SettingsInvalid, match="https"):
        load(file)
    for name, value in {"ENDPOINT": "https://store.example", "BUCKET": "b", "ACCESS_KEY": "a"}.items():
        monkeypatch.setenv(f"ZDDA_STORE__S3__{name}", value)
    monkeypatch.setenv("ZDDA_STORE__S3__SECRET_KEY", "never shown")
    file.write_text('[store]\nkind = "s3"\n[store.s3]\ncertificate_authorities = "trust/store.pem"\n')
    address = s3_address(load(file).store.s3, tmp_path)
    assert address.certificate_authorities == tmp_path / "trust" / "store.pem"
    assert "never shown" not in repr(address)


def test_what_was_read_is_read_again_without_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "archive"
    use_bucket(monkeypatch, address_in("versitygw"))
    monkeypatch.setenv("ZDDA_CACHE__BYTES", "100000000")
    archive = make_archive(folder)
    deposit = archive.deposit([CONTENT])
    archive.settle()
    package = archive.status(deposit).package_id
    assert package is not None

    def read() -> bytes:
        with archive.archive.packages.document(package, 1, "somebody").chunks as chunks:
            return b"".join(chunks)

    def away(_address: object) -> None:
        raise StoreUnreachable("the store does not answer")

    assert read() == CONTENT
    monkeypatch.setattr(archive.archive.vault.blobs, "open", away)
    assert read() == CONTENT
    for record in list(archive.archive.vault.store.records()):
        archive.archive.vault.store.forget(record.address)
    with pytest.raises(StoreUnreachable):
        read()
    archive.close()
    assert not [file for file in (folder / "cache").rglob("*") if file.is_file() and file.name != "lock"]

"""Settings of stores that are reached over a network, kind by kind."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pydantic import Field, SecretStr, field_validator

from zdda.settings_section import Section, https_or_loopback


class SftpSettings(Section):
    """A folder of an SFTP server."""

    host: str = Field("", description="the server's name or address")
    port: int = Field(22, gt=0, le=65535, description="its port")
    user: str = Field("", description="the account")
    folder: str = Field("", description="the folder there, an absolute path; it is made where it is not there")
    host_keys: tuple[str, ...] = Field(
        (), description="the server's public keys, TYPE BASE64 as in its ssh_host_*.pub; no other key is accepted"
    )
    key: Path | None = Field(None, description="a file with the account's private key; none: its password is used")
    password: SecretStr = Field(SecretStr(""), description="the key's passphrase, or the account's password")
    connect_seconds: float = Field(10.0, gt=0, description="for a connection, and for signing in")
    read_seconds: float = Field(60.0, gt=0, description="the longest that an answer may stand still")
    connections: int = Field(4, gt=0, le=100, description="connections kept open; each serves one call at a time")

    @field_validator("folder")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return _below_the_root(value)

    def is_whole(self) -> bool:
        """Whether all that a store needs is there."""
        credentials = self.key is not None or self.password.get_secret_value()
        return all((self.host, self.user, self.folder, self.host_keys, credentials))


class CmisSettings(Section):
    """A folder of a document management system's repository."""

    service: str = Field(
        "", description="https address of the CMIS 1.1 browser binding's service; http on the loopback interface only"
    )
    repository: str = Field("", description="the repository's identifier there")
    folder: str = Field("/zdda", description="the folder there, an absolute path; it is made where it is not there")
    user: str = Field("", description="the account (HTTP Basic)")
    password: SecretStr = Field(SecretStr(""), description="its password")
    certificate_authorities: Path | None = Field(
        None, description="the authorities of the server's certificate, PEM; none: those of this machine"
    )
    connect_seconds: float = Field(5.0, gt=0, description="for a connection")
    read_seconds: float = Field(60.0, gt=0, description="the longest that an answer may stand still")
    connections: int = Field(8, gt=0, le=100, description="connections kept open")

    _service = field_validator("service")(https_or_loopback)

    @field_validator("folder")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return _below_the_root(value)

    def is_whole(self) -> bool:
        """Whether all that a store needs is there."""
        return all((self.service, self.repository, self.folder, self.user, self.password.get_secret_value()))


def _below_the_root(value: str) -> str:
    path = PurePosixPath(value)
    if value and (not path.is_absolute() or ".." in path.parts or path == PurePosixPath("/")):
        raise ValueError("an absolute path below the root, without '..'")
    return value

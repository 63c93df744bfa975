"""The settings' section of keys: ``[keys]`` and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from zdda.settings_section import Section, https_or_loopback, one_of


class TokenSettings(Section):
    """A key in a token (HSM) behind PKCS#11."""

    module: Path = Field(description="the PKCS#11 library that the token's maker gives, an absolute path")
    token: str = Field(min_length=1, max_length=32, description="the token's label")
    key: str = Field(min_length=1, max_length=255, description="the key's label")
    pin: SecretStr | None = Field(None, description="the user's PIN; better from the environment, or in a file")
    pin_file: Path | None = Field(None, description="a file (0600) with the PIN, read at each login")
    timeout_seconds: float = Field(10.0, gt=0, le=600, description="for a call's turn, and for the token's answer")

    @model_validator(mode="after")
    def _one_pin(self) -> Self:
        one_of("a token has a pin or a pin_file", self.pin, self.pin_file)
        if not self.module.is_absolute():
            raise ValueError("a token's module is an absolute path")
        return self


class SealTokenSettings(TokenSettings):
    """The seal's key in a token."""

    pss: bool = Field(False, description="an RSA key signs with RSASSA-PSS rather than PKCS #1 v1.5")


class VaultSettings(Section):
    """A key in the transit engine of Vault or OpenBao."""

    address: str = Field(min_length=1, description="https address of the service; http on the loopback interface only")
    mount: str = Field("transit", min_length=1, max_length=255, description="where the transit engine is mounted")
    key: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$", description="the key's name")
    token: SecretStr | None = Field(None, description="the service's token; better from the environment, or in a file")
    token_file: Path | None = Field(None, description="a file (0600) with the token, read at each call")
    namespace: str = Field("", max_length=255, description="the namespace, where the service has some")
    certificate_authorities: Path | None = Field(
        None, description="the authorities of the service's certificate, PEM; none: those that Python's certifi ships"
    )
    timeout_seconds: float = Field(10.0, gt=0, le=600, description="for one answer")

    _address = field_validator("address")(https_or_loopback)

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        one_of("a key service has a token or a token_file", self.token, self.token_file)
        return self


class KmipSettings(Section):
    """A key in a key service that speaks KMIP."""

    host: str = Field(min_length=1, max_length=255, description="the service's name or address, as in its certificate")
    port: int = Field(5696, ge=1, le=65535, description="its port")
    key: str = Field(min_length=1, max_length=255, description="the key's name in the service")
    certificate: Path = Field(description="the archive's own certificate for the service, then the issuers', PEM")
    private_key: Path = Field(description="its private key, PEM")
    certificate_authorities: Path = Field(description="the authorities of the service's certificate, PEM")
    timeout_seconds: float = Field(10.0, gt=0, le=600, description="for one answer")


class KeySettings(Section):
    """Keys. Keep the key-encryption key out of ordinary backups."""

    key_encryption_key: Path = Field(Path("keys/key-encryption.key"), description="32 bytes that wrap the generations")
    generations: Path = Field(Path("keys/generations.json"), description="the sealed generation keys")
    key_areas: tuple[Path, ...] = Field(
        (Path("key-area-1"), Path("key-area-2")),
        description="folders on different disks; with the sites' own places, two places at least",
    )
    seal_key: Path = Field(Path("keys/seal.key"), description="private key of the archive's seal, PEM")
    seal_certificates: Path = Field(Path("keys/seal.pem"), description="its certificate, then the issuers', PEM")
    key_encryption_token: TokenSettings | None = Field(
        None, description="the key-encryption key is in this token, not in a file"
    )
    key_encryption_vault: VaultSettings | None = Field(
        None, description="the key-encryption key is in this Vault or OpenBao, not in a file"
    )
    key_encryption_kmip: KmipSettings | None = Field(
        None, description="the key-encryption key is in this key service that speaks KMIP, not in a file"
    )
    fips: bool = Field(
        False, description="approved algorithms only, and self-tests at the start; see hardware-keys.md, *FIPS mode*"
    )
    seal_token: SealTokenSettings | None = Field(None, description="the seal's key is in this token, not in a file")

    @model_validator(mode="after")
    def _one_keeper(self) -> Self:
        named = (self.key_encryption_token, self.key_encryption_vault, self.key_encryption_kmip)
        if sum(each is not None for each in named) > 1:
            raise ValueError("the key-encryption key is in one place: a token, or a key service")
        return self

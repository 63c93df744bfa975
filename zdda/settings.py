"""Typed settings: ``zdda.toml``, then environment variables ``ZDDA_SECTION__NAME``. Nothing below reads either.

Unknown keys are refused, in the file and in the environment. ``docs/operations/settings.md`` lists every default.
"""

from __future__ import annotations

import os
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from zdda.model.errors import InvalidInput
from zdda.model.identifiers import tenant_id
from zdda.model.placement import Copies, Placement
from zdda.model.retention import DisposalMark, IntakePolicy, OnVerdict, RetentionClass
from zdda.settings_environment import Environment, with_sites_of
from zdda.settings_keys import KeySettings
from zdda.settings_section import Section, https_or_loopback
from zdda.settings_stores import CmisSettings, SftpSettings

_MIB = 1024 * 1024
_PREFIX = "ZDDA_"


class SettingsInvalid(InvalidInput):
    """The settings do not make sense; the message names the key, never its value."""

    code = "settings-invalid"


class ArchiveSettings(Section):
    """Who this archive is."""

    id: str = Field("archive", description="names this archive in its stores; never changed later", max_length=63)
    tenant: str = Field("default", description="the tenant served: a-z, 0-9 and inner hyphens")

    @field_validator("tenant")
    @classmethod
    def _tenant(cls, value: str) -> str:
        return tenant_id(value)


class DatabaseSettings(Section):
    """The catalog."""

    url: SecretStr = Field(
        SecretStr("sqlite:///catalog.db"), description="sqlite:///PATH or postgresql://USER@HOST/NAME"
    )


class SpoolSettings(Section):
    """Where deposits wait, encrypted."""

    directory: Path = Field(Path("spool"), description="a folder on a local disk")
    minimum_free: int = Field(256 * _MIB, ge=0, description="bytes that stay free; below it intake answers 507")
    most_bytes: int = Field(
        0,
        ge=0,
        description="bytes of all that waits there; from then on intake answers 507; 0: minimum_free alone bounds",
    )


class S3Connection(Section):
    """A bucket and how to reach it."""

    endpoint: str = Field("", description="https address of the store; http on the loopback interface only")
    bucket: str = Field("", description="the bucket; zdda init makes one that is not there", max_length=63)
    region: str = Field("us-east-1", description="as the store calls it")
    access_key: SecretStr = Field(SecretStr(""), description="of an account that can read, write and lock there")
    secret_key: SecretStr = Field(SecretStr(""), description="its secret")
    certificate_authorities: Path | None = Field(
        None, description="the authorities of the store's certificate, PEM; none: those that Python's certifi ships"
    )
    connect_seconds: float = Field(5.0, gt=0, description="for a connection")
    read_seconds: float = Field(60.0, gt=0, description="the longest that an answer may stand still")
    attempts: int = Field(4, ge=1, le=10, description="how often one request is sent at most, with growing pauses")
    connections: int = Field(32, gt=0, description="connections kept open")

    _endpoint = field_validator("endpoint")(https_or_loopback)

    def named(self) -> bool:
        """Whether all is said that has no default."""
        return all((self.endpoint, self.bucket, self.access_key, self.secret_key))


class S3Settings(S3Connection):
    """A bucket with versioning and object lock."""

    part_bytes: int = Field(
        8 * _MIB, ge=5 * _MIB, le=1024 * _MIB, description="a larger object is sent in parts of so many bytes"
    )
    operations_log: Path | None = Field(
        None, description="the RADOS Gateway's log of operations, if it can be read here: deletion receipts quote it"
    )


class DatabaseStoreSettings(Section):
    """A database for objects or their records."""

    url: SecretStr = Field(SecretStr(""), description="as database.url; none: the catalog's own database")


class StoreSettings(Section):
    """Where objects lie for good."""

    kind: Literal["filesystem", "s3", "sftp", "cmis", "database", "memory"] = Field(
        "filesystem", description="filesystem, s3, sftp, cmis, database, or memory (tests only)"
    )
    directory: Path = Field(Path("store"), description="the store's folder")
    immutable: bool = Field(True, description="set the immutable flag on objects where the file system allows")
    mounted: bool = Field(
        False,
        description="the folder is a mounted server's: refuse it on the file system of zdda.toml, as while unmounted",
    )
    overwrite_passes: int = Field(
        3, ge=1, le=35, description="passes that overwrite a file that is erased: zeros, ones, random bytes, and again"
    )
    s3: S3Settings = Field(S3Settings(), description="the bucket, where the kind is s3")
    sftp: SftpSettings = Field(SftpSettings(), description="the server's folder, where the kind is sftp")
    database: DatabaseStoreSettings = Field(
        DatabaseStoreSettings(), description="the database, where the kind is database"
    )
    cmis: CmisSettings = Field(CmisSettings(), description="the repository's folder, where the kind is cmis")

    @model_validator(mode="after")
    def _whole(self) -> StoreSettings:
        if self.kind == "s3" and not self.s3.named():
            raise ValueError("a store of kind s3 needs s3.endpoint, s3.bucket, s3.access_key and s3.secret_key")
        if self.kind == "sftp" and not self.sftp.is_whole():
            raise ValueError("a store of kind sftp needs sftp.host, user, folder, host_keys, and key or password")
        if self.kind == "cmis" and not self.cmis.is_whole():
            raise ValueError("a store of kind cmis needs cmis.service, repository, folder, user and password")
        return self


class RecordsSettings(Section):
    """A site's own place of object records."""

    kind: Literal["none", "folder", "bucket", "database"] = Field(
        "none", description="none: the site's records lie in keys.key_areas only; folder, bucket, database"
    )
    directory: Path = Field(Path("records"), description="the place's folder, where the kind is folder")
    s3: S3Connection = Field(
        S3Connection(), description="the bucket, without versioning and object lock, where the kind is bucket"
    )
    database: DatabaseStoreSettings = Field(
        DatabaseStoreSettings(), description="the database, where the kind is database"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind == "bucket" and not self.s3.named():
            raise ValueError("records of kind bucket need s3.endpoint, s3.bucket, s3.access_key and s3.secret_key")
        return self

    def lies_in(self) -> tuple[str, ...] | None:
        """What the place lies in: two places in the same are one place. None where there is none."""
        return {
            "none": None,
            "folder": ("folder", str(self.directory)),
            "bucket": ("bucket", self.s3.endpoint, self.s3.bucket),
            "database": ("database", self.database.url.get_secret_value()),
        }[self.kind]


class SiteSettings(StoreSettings):
    """One of several places far apart, each with a store of its own."""

    name: str = Field(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="names the site; never changed later")
    records: RecordsSettings = Field(RecordsSettings(), description="the site's own place of object records")


class CacheSettings(Section):
    """What was read from slow stores, encrypted as it lies there. Only objects that a store holds."""

    directory: Path = Field(Path("cache"), description="a folder on a fast local disk; it may be emptied at any time")
    bytes: int = Field(0, ge=0, description="bytes of it at most; 0: no cache")
    largest_object: int = Field(
        8 * _MIB, gt=0, le=64 * _MIB, description="a larger object, or one of over a quarter of bytes, is not kept"
    )


class ListenSettings(Section):
    """HTTPS."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8443, ge=0, le=65535, description="port to listen on")
    tls_key: Path = Field(Path("keys/tls.key"), description="private key of the server, PEM")
    tls_certificates: Path = Field(Path("keys/tls.pem"), description="its certificate, then the issuers', PEM")


class IntakeSettings(Section):
    """Limits on what Producers send."""

    max_document_bytes: int = Field(1024 * _MIB, gt=0, description="one document")
    max_deposit_bytes: int = Field(2048 * _MIB, gt=0, description="all documents of a deposit")
    max_documents: int = Field(100, gt=0, le=9999, description="documents of a deposit")
    max_concurrent: int = Field(32, gt=0, description="deposits received at once; more are told to come back")
    max_concurrent_account: int = Field(24, gt=0, description="of them, those of one account")
    idle_seconds: float = Field(60.0, gt=0, description="the longest that a body may stand still")
    minimum_rate: int = Field(4096, ge=0, description="bytes a second that a body has to bring, after its first minute")
    wait_seconds: float = Field(10.0, ge=0, description="how long a deposit's call waits for the receipt before 202")


class WorkerSettings(Section):
    """Threads that move deposits on, and processes that parse hostile bytes."""

    threads: int = Field(8, gt=0, le=64, description="deposits worked at once")
    processes: int = Field(2, gt=0, le=64, description="worker processes for parsing")
    cpu_seconds: int = Field(60, gt=0, description="processor time of one document")
    wall_seconds: float = Field(120.0, gt=0, description="elapsed time of one document")
    memory: int = Field(2048 * _MIB, gt=0, description="bytes of address space of a worker process")


class AuthoritySettings(Section):
    """One timestamp authority (RFC 3161)."""

    url: str = Field(description="https address")
    policy: str | None = Field(None, description="the policy a token must have (object identifier)")
    username: str | None = Field(None, description="HTTP Basic")
    password: SecretStr | None = Field(None, description="HTTP Basic")


class EvidenceSettings(Section):
    """Evidence batches and their timestamps."""

    batch_size: int = Field(1000, gt=0, le=100_000, description="packages in one batch at most")
    batch_seconds: float = Field(1.0, ge=0, description="the longest a stored package waits for its batch to close")
    authorities: tuple[AuthoritySettings, ...] = Field((), description="asked in this order until one answers")
    timeout_seconds: float = Field(10.0, gt=0, description="for one authority's answer")
    clock_tolerance_seconds: float = Field(300.0, gt=0, description="between the authority's time and ours")


class TrustSettings(Section):
    """Anchors: PEM or DER files. They come from here, never from a package."""

    documents: tuple[Path, ...] = Field((), description="anchors for the signatures on documents")
    authorities: tuple[Path, ...] = Field((), description="anchors of the timestamp authorities")
    seal: tuple[Path, ...] = Field((), description="anchors of the archive's own seal")
    revocation_hosts: tuple[str, ...] = Field(
        (),
        description="hosts that may be asked for CRLs, OCSP answers and issuers' certificates; none: no request leaves",
    )
    revocation_private_hosts: tuple[str, ...] = Field(
        (), description="those of them that may have loopback or private addresses"
    )
    cache: Path = Field(Path("fetched"), description="a folder for what they answered; it may be emptied at any time")
    cache_bytes: int = Field(256 * _MIB, ge=0, description="bytes of it at most; 0: nothing is kept over a restart")


class ClassSettings(Section):
    """One retention class."""

    name: str = Field(min_length=1, max_length=64, description="named by the Producer in retentionClass")
    mark: DisposalMark = Field(DisposalMark.S, description="skartační znak A, S or V")
    years: int = Field(ge=1, le=1000, description="whole years from 1 January after the deposit")
    total_failed: OnVerdict = Field(OnVerdict.REJECT, description="accept, flag or reject")
    indeterminate: OnVerdict = Field(OnVerdict.FLAG, description="accept, flag or reject")
    no_signature: OnVerdict = Field(OnVerdict.ACCEPT, description="accept, flag or reject")
    revocation_wait_hours: float = Field(
        0.0,
        ge=0,
        le=2160,
        description="how long after receipt a deposit whose verdict lacks fresh revocation data may wait for them; "
        "then the policy decides; 0: it does not wait",
    )

    stores: tuple[str, ...] = Field((), description="the sites where its packages lie, by name; none: every site")
    copies: Copies = Field(
        Copies.ALL, description="stored means: all of these sites hold the package, or one does and the others follow"
    )
    guaranteed_store: bool = Field(
        False, description="refuse deposits while no canary has shown that the store keeps what it locks"
    )

    def retention_class(self) -> RetentionClass:
        policy = IntakePolicy(self.total_failed, self.indeterminate, self.no_signature)
        wait = timedelta(hours=self.revocation_wait_hours)
        placement = Placement(self.stores, self.copies)
        return RetentionClass(self.name, self.mark, self.years, policy, wait, self.guaranteed_store, placement)


class ScrubSettings(Section):
    """Reading every copy again, and mending what has rotted."""

    days: int = Field(90, ge=1, le=3660, description="every copy at every site is read once in so many days")
    bytes_per_second: int = Field(
        32 * _MIB, ge=0, description="the most that is read for that at each site; 0: no copy is read again"
    )


class LogSettings(Section):
    """Logs on standard error, one JSON object a line."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least level written")


class Settings(BaseSettings):
    """All of it. Relative paths are below the folder of ``zdda.toml``."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        nested_model_default_partial_update=True,
    )

    environment: Literal["demonstration", "production"] = Field(
        "production", description="demonstration allows the demonstration authority"
    )
    archive: ArchiveSettings = ArchiveSettings()
    database: DatabaseSettings = DatabaseSettings()
    spool: SpoolSettings = SpoolSettings()
    store: StoreSettings = StoreSettings()
    sites: tuple[SiteSettings, ...] = Field((), description="several stores instead of one, [[sites]] each")
    cache: CacheSettings = CacheSettings()
    keys: KeySettings = KeySettings()
    listen: ListenSettings = ListenSettings()
    intake: IntakeSettings = IntakeSettings()
    workers: WorkerSettings = WorkerSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    trust: TrustSettings = TrustSettings()
    retention: tuple[ClassSettings, ...] = Field((), description="the retention classes, [[retention]] each")
    scrub: ScrubSettings = ScrubSettings()
    log: LogSettings = LogSettings()

    @field_validator("retention")
    @classmethod
    def _named_once(cls, value: tuple[ClassSettings, ...]) -> tuple[ClassSettings, ...]:
        if len({item.name for item in value}) != len(value):
            raise ValueError("a retention class is named twice")
        return value

    @model_validator(mode="after")
    def _sites(self) -> Self:
        names = [each.name for each in self.sites]
        if len(set(names)) != len(names):
            raise ValueError("sites: a site is named twice")
        if self.sites and "store" in self.model_fields_set:
            raise ValueError("sites: either [store] or [[sites]], not both")
        lies_in = [where for each in self.each_site() if (where := each.records.lies_in()) is not None]
        if len(set(lies_in)) != len(lies_in):
            raise ValueError("sites: two sites have their records in one place")
        places = {each.name: each.records.kind != "none" for each in self.each_site()}
        for each in self.retention:
            if unknown := sorted(set(each.stores) - set(places)):
                raise ValueError(f"retention: {each.name} names sites that there are not: {', '.join(unknown)}")
        placements = [each.retention_class().placement for each in self.retention] or [Placement()]
        for placement in placements:
            if len(self.keys.key_areas) + sum(places[name] for name in placement.among(places)) < 2:
                raise ValueError("keys.key_areas: object records lie in two places at least, those of sites counted")
        return self

    def each_site(self) -> tuple[SiteSettings, ...]:
        """The sites; where none is named, ``[store]`` is the one site, called main."""
        if self.sites:
            return self.sites
        return (SiteSettings(name="main", **{name: getattr(self.store, name) for name in StoreSettings.model_fields}),)

    def site(self, name: str) -> SiteSettings:
        """Raises ``InvalidInput`` for a site that there is not."""
        for each in self.each_site():
            if each.name == name:
                return each
        raise InvalidInput(f"there is no store named {name}: {', '.join(each.name for each in self.each_site())}")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return Environment(settings_cls), init_settings


def load(file: Path) -> Settings:
    """Reads ``zdda.toml`` and the environment; raises ``SettingsInvalid``."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsInvalid(f"there is no {file.name}: run zdda init first") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{file.name} is not TOML: {error}") from error
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith(_PREFIX) and name[len(_PREFIX) :].split("__")[0].lower() not in Settings.model_fields
    )
    if unknown:
        raise SettingsInvalid(f"unknown environment variables: {', '.join(unknown)}")
    try:
        values = with_sites_of(os.environ, values)
    except KeyError as error:
        raise SettingsInvalid(f"unknown environment variables: {error.args[0]}") from error
    try:
        return Settings(**values)
    except ValidationError as error:
        keys = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise SettingsInvalid(f"settings: {keys}") from error


def as_text(settings: Settings) -> dict[str, Any]:
    """Every value as JSON would write it, secrets masked."""
    return settings.model_dump(mode="json")

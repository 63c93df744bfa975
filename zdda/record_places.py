"""Which place of object records a site has of its own, opened: one entry of ``RECORD_KINDS`` for each kind. Nothing of
S3 is imported for an archive without buckets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from zdda.database.database_key_area import DatabaseKeyArea, DatabaseKeyAreaSurvey
from zdda.database.store_tables import claim_database, make_tables
from zdda.fsck.stores import Place
from zdda.storage.filesystem_key_area import FilesystemKeyArea
from zdda.storage.key_area import KeyArea
from zdda.storage.key_area_survey import KeyAreaSurvey
from zdda.store_opening import Opening, s3_address


class OpenPlace(Place, Protocol):
    """A place that ``fsck`` looks at, and lets go of."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class RecordKind:
    """What one kind of place can do. ``open`` claims it for this archive; raises ``WrongStore``, ``NotErasable``,
    ``StoreFailed``, ``Unavailable``. ``survey`` looks at it for ``fsck`` under a name. ``make`` makes what a new
    archive needs."""

    open: Callable[[Opening], KeyArea]
    survey: Callable[[Opening, str], OpenPlace]
    make: Callable[[Opening], None] = lambda _opening: None


def make_records(opening: Opening) -> None:
    """Makes what a new archive's place needs and can be made by us; what is there stays as it is."""
    kind = RECORD_KINDS.get(opening.site.records.kind)
    if kind is not None:
        kind.make(opening)


def open_records(opening: Opening) -> KeyArea:
    """The site's own place of object records, of a kind other than none."""
    return RECORD_KINDS[opening.site.records.kind].open(opening)


def survey_records(opening: Opening) -> OpenPlace | None:
    """The site's own place for ``fsck``, called ``<site>/records``, if it has one."""
    kind = RECORD_KINDS.get(opening.site.records.kind)
    return None if kind is None else kind.survey(opening, f"{opening.site.name}/records")


def _open_folder(opening: Opening) -> KeyArea:
    return FilesystemKeyArea(opening.folder / opening.site.records.directory, opening.entropy, crash=opening.crash)


def _survey_folder(opening: Opening, name: str) -> OpenPlace:
    return KeyAreaSurvey(opening.folder / opening.site.records.directory, name)


def _make_bucket(opening: Opening) -> None:
    from zdda.storage.s3_plain_bucket import PlainBucket

    with closing(PlainBucket(s3_address(opening.site.records.s3, opening.folder))) as bucket:
        if not bucket.exists():
            bucket.make()


def _open_bucket(opening: Opening) -> KeyArea:
    from zdda.storage.s3_key_area import S3KeyArea
    from zdda.storage.s3_plain_bucket import PlainBucket

    address = s3_address(opening.site.records.s3, opening.folder)
    with closing(PlainBucket(address)) as bucket:
        bucket.check()
        bucket.claim(opening.archive, [opening.tenant])
    return S3KeyArea(address, opening.entropy, crash=opening.crash)


def _survey_bucket(opening: Opening, name: str) -> OpenPlace:
    from zdda.storage.s3_key_survey import S3KeyAreaSurvey

    return S3KeyAreaSurvey(s3_address(opening.site.records.s3, opening.folder), name)


def _make_database(opening: Opening) -> None:
    engine = opening.engine(opening.site.records.database.url.get_secret_value())
    try:
        make_tables(engine)
    finally:
        engine.dispose()


def _open_database(opening: Opening) -> KeyArea:
    engine = opening.engine(opening.site.records.database.url.get_secret_value())
    try:
        claim_database(engine, opening.archive, [opening.tenant])
        return DatabaseKeyArea(engine, opening.site.name, opening.entropy, crash=opening.crash)
    except BaseException:
        engine.dispose()
        raise


def _survey_database(opening: Opening, name: str) -> OpenPlace:
    engine = opening.engine(opening.site.records.database.url.get_secret_value())
    try:
        return DatabaseKeyAreaSurvey(engine, opening.site.name, name)
    except BaseException:
        engine.dispose()
        raise


RECORD_KINDS: Mapping[str, RecordKind] = {
    "folder": RecordKind(_open_folder, _survey_folder),
    "bucket": RecordKind(_open_bucket, _survey_bucket, _make_bucket),
    "database": RecordKind(_open_database, _survey_database, _make_database),
}
"""By ``records.kind``; ``none`` has no place."""

"""The one door to Archival Storage: records first, in every place, then the bytes; out again verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from zdda.crypto.generations import GenerationKeys
from zdda.crypto.streaming_aead import DecryptingReader
from zdda.model.errors import IntegrityError, NotFound, Unavailable, ZddaError
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectName
from zdda.storage.blob_store import BlobStore, OpenStream
from zdda.storage.key_area import KeyArea, sort_key
from zdda.storage.object_record import ObjectRecord, RecordMalformed, seal_record

Alarm = Callable[[str, ObjectName], None]
"""Called with what is damaged (``record``, ``object``) and whose it is."""


class ObjectStore:
    """Encrypted objects and their records, in one blob store and two places of the key area at least."""

    def __init__(
        self,
        blobs: BlobStore,
        key_areas: Sequence[KeyArea],
        generations: GenerationKeys,
        alarm: Alarm = lambda _what, _name: None,
    ) -> None:
        if len(key_areas) < 2:
            raise ValueError("object records lie in two places at least")
        self._blobs, self._key_areas = blobs, tuple(key_areas)
        self._generations, self._alarm = generations, alarm

    def seal_record(
        self,
        name: ObjectName,
        address: ContentAddress,
        length: int,
        sha512: bytes,
        data_key: bytes,
        retain_until: datetime,
    ) -> ObjectRecord:
        """The record of an object that is about to be stored; nothing is written yet."""
        return seal_record(self._generations, name, address, length, sha512, data_key, retain_until)

    def put(self, record: ObjectRecord, open_stream: OpenStream) -> None:
        """Stores an object; safe to repeat. When it returns, the record lies in every place and the bytes under
        their lock. If everything stops in between, records without bytes may be left: they lock nothing, and the
        repeated ``put`` completes them."""
        for key_area in self._key_areas:
            key_area.write(record)
        self._blobs.put(record.address, record.length, open_stream, record.retain_until)

    def record(self, name: ObjectName) -> ObjectRecord:
        """The record from the first place that gives a good one.

        Raises ``NotFound`` where no place has it, ``RecordMalformed`` where every place that has it is damaged,
        ``Unavailable``.
        """
        worst: ZddaError = NotFound("no such object")
        for key_area in self._key_areas:
            try:
                record = key_area.read(name)
                record.check_retention(self._generations)
            except NotFound:
                continue
            except (RecordMalformed, Unavailable) as error:
                worst = error
                self._alarm("record", name)
            else:
                return record
        raise worst

    def open(self, name: ObjectName) -> DecryptingReader:
        """The plaintext, seekable, every byte authentic; raises ``NotFound``, ``IntegrityError``, ``Unavailable``."""
        record = self.record(name)
        stream = self._blobs.open(record.address)
        try:
            key = record.data_key(self._generations)
            return DecryptingReader(stream, key, name.associated_data(), owns_source=True)
        except IntegrityError:
            stream.close()
            self._alarm("object", name)
            raise

    def records(self) -> Iterator[ObjectRecord]:
        """Every record that some place gives, in the order of names."""
        seen: dict[ObjectName, ObjectRecord] = {}
        for key_area in self._key_areas:
            for record in key_area.records():
                seen.setdefault(record.name, record)
        return iter(seen[name] for name in sorted(seen, key=sort_key))

    def answers(self) -> bool:
        """Whether the store can be asked at all."""
        try:
            next(iter(self._blobs.addresses()), None)
        except (OSError, ZddaError):
            return False
        return True

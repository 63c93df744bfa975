"""Documents and folders of one repository, over the browser binding of CMIS 1.1: by path, never by query.

Where the repository offers client-managed retentions (clause 2.1.16: secondary type ``cmis:rm_clientMgtRetention``,
property ``cmis:rm_expirationDate``), the lock is one; elsewhere it is a line in ``cmis:description``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from zdda.storage.cmis_client import CmisAddress, CmisClient, NameTaken, NotThere, Upload
from zdda.storage.store_errors import StoreRefuses, StoreUnreachable, WriteNotKept

RETENTION = "cmis:rm_clientMgtRetention"
_EXPIRES = "cmis:rm_expirationDate"
_SECONDARY = "cmis:secondaryObjectTypeIds"
_DESCRIBED = re.compile(r"retain until (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
_FORM = "%Y-%m-%dT%H:%M:%SZ"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime.max.replace(microsecond=0, tzinfo=UTC)
_PAGE = 1000
_MOST_CHILDREN = 1_000_000
_MOST_IDENTIFIER = 1024


@dataclass(frozen=True, slots=True)
class Stored:
    """A document or folder. ``length``: None for what is no document with content. ``until``: the lock; the beginning
    of 1970 where there is none."""

    identifier: str
    name: str
    folder: bool
    length: int | None
    until: datetime
    change_token: str | None
    secondary: tuple[str, ...]


class CmisRepository:
    """See the module. Opening it asks the server who it is; raises the archive's errors of a store, as every method.

    ``retention``: whether the repository offers to keep what the archive locks.
    """

    def __init__(self, address: CmisAddress) -> None:
        self._client = CmisClient(address)
        self._made: set[str] = set()
        try:
            info = self._information(address)
            self._root = self._client.same_server(info.get("rootFolderUrl")).rstrip("/")
            self._about = self._client.same_server(info.get("repositoryUrl"))
            self.retention = self._offers_retention()
        except BaseException:
            self._client.close()
            raise

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    def time(self) -> datetime | None:
        """The server's clock; None where it does not tell it."""
        _, moment = self._client.get(self._about, {"cmisselector": "repositoryInfo"})
        return moment

    def at(self, path: str) -> Stored | None:
        """What lies there; None where nothing does."""
        return self._object(self._url(path), {})

    def by_identifier(self, identifier: str) -> Stored | None:
        """What has that identifier; None where nothing has."""
        return self._object(self._root, {"objectId": identifier})

    def children(self, path: str) -> Iterator[Stored]:
        """Of a folder; nothing where there is none."""
        skipped = 0
        while True:
            arguments = {"cmisselector": "children", "succinct": "true", "maxItems": str(_PAGE)}
            try:
                said, _ = self._client.get(self._url(path), arguments | {"skipCount": str(skipped)})
            except NotThere:
                return
            objects = _member(said, "objects", list)
            for each in objects:
                yield _stored(_member(each, "object", dict))
            skipped += len(objects)
            if not said.get("hasMoreItems"):
                return
            if not objects or skipped > _MOST_CHILDREN:
                raise StoreUnreachable("the store's list has no end")

    def read(self, identifier: str, start: int, size: int) -> bytes:
        """At most so many bytes of a document's content; raises ``NotThere``."""
        return self._client.content(self._root, {"objectId": identifier, "cmisselector": "content"}, start, size)

    def create(self, folder: str, upload: Upload) -> Stored:
        """A new document in a folder that is there; raises ``NameTaken``, and what reading the upload raises."""
        fields = {"cmisaction": "createDocument", "succinct": "true"}
        said = self._client.post(
            self._url(folder),
            fields | _properties({"cmis:objectTypeId": "cmis:document", "cmis:name": upload.name}),
            upload,
        )
        if not isinstance(said, dict):
            raise WriteNotKept("the store does not say what it made")
        return _stored(said)

    def make_folder(self, path: str) -> None:
        """With its parents; one that is there is no error."""
        if path in ("", "/") or path in self._made:
            return
        parent, _, name = path.rpartition("/")
        self.make_folder(parent)
        if self.at(path) is None:
            fields = {"cmisaction": "createFolder", "succinct": "true"}
            fields |= _properties({"cmis:objectTypeId": "cmis:folder", "cmis:name": name})
            with suppress(NameTaken):  # another process made it meanwhile
                self._client.post(self._url(parent), fields)
        self._made.add(path)

    def rename(self, stored: Stored, name: str, until: datetime | None = None) -> None:
        """Another name in the same folder and, with ``until``, the lock with it; raises ``NameTaken``, ``NotThere``."""
        self._update(stored, {"cmis:name": name} | ({} if until is None else self._lock(stored, until)))

    def lock(self, stored: Stored, until: datetime) -> None:
        """The caller has looked that it does not shorten; raises ``NotThere``."""
        self._update(stored, self._lock(stored, until))

    def delete(self, identifier: str) -> None:
        """All versions; what is not there is no error."""
        fields = {"cmisaction": "delete", "objectId": identifier, "allVersions": "true"}
        try:
            self._client.post(self._root, fields)
        except NotThere:
            return

    def _lock(self, stored: Stored, until: datetime) -> dict[str, Any]:
        moment = until.replace(microsecond=0)
        if not self.retention:
            return {"cmis:description": f"retain until {moment:{_FORM}}"}
        types = list(dict.fromkeys((*stored.secondary, RETENTION)))
        return {_SECONDARY: types, _EXPIRES: str((moment - _EPOCH) // timedelta(milliseconds=1))}

    def _update(self, stored: Stored, properties: Mapping[str, Any]) -> None:
        fields = {"cmisaction": "update", "objectId": stored.identifier, "succinct": "true"}
        if stored.change_token is not None:
            fields["changeToken"] = stored.change_token
        self._client.post(self._root, fields | _properties(properties))

    def _object(self, url: str, arguments: Mapping[str, str]) -> Stored | None:
        try:
            said, _ = self._client.get(url, {**arguments, "cmisselector": "object", "succinct": "true"})
        except NotThere:
            return None
        return _stored(said)

    def _information(self, address: CmisAddress) -> dict[str, Any]:
        try:
            said, _ = self._client.get(address.service, {})
        except NotThere as error:
            raise StoreRefuses("there is no CMIS service at that address") from error
        if not isinstance(said, dict) or not isinstance(said.get(address.repository), dict):
            raise StoreRefuses("the service has no repository of that name")
        info: dict[str, Any] = said[address.repository]
        if info.get("cmisVersionSupported") != "1.1":
            raise StoreRefuses("the repository does not speak CMIS 1.1")
        return info

    def _offers_retention(self) -> bool:
        try:
            self._client.get(self._about, {"cmisselector": "typeDefinition", "typeId": RETENTION})
        except (NotThere, StoreRefuses):  # a repository may call an unknown type an invalid argument
            return False
        return True

    def _url(self, path: str) -> str:
        return "/".join((self._root, *(quote(part, safe="") for part in path.split("/") if part)))


def _properties(properties: Mapping[str, Any]) -> dict[str, str]:
    """Clause 5.4: properties as controls of a form, numbered from 0; those of several values numbered again."""
    fields: dict[str, str] = {}
    for number, (name, value) in enumerate(properties.items()):
        fields[f"propertyId[{number}]"] = name
        if isinstance(value, str):
            fields[f"propertyValue[{number}]"] = value
        else:
            fields |= {f"propertyValue[{number}][{index}]": each for index, each in enumerate(value)}
    return fields


def _stored(said: Any) -> Stored:
    """From the succinct form of an object (clause 5.2.11); raises ``StoreUnreachable`` for what is none."""
    known = _member(said, "succinctProperties", dict)
    identifier, name = _member(known, "cmis:objectId", str), _member(known, "cmis:name", str)
    if not 0 < len(identifier) <= _MOST_IDENTIFIER:
        raise StoreUnreachable("the store's answer makes no sense")
    length, kind = known.get("cmis:contentStreamLength"), known.get("cmis:baseTypeId")
    token, secondary = known.get("cmis:changeToken"), known.get(_SECONDARY)
    return Stored(
        identifier,
        name,
        kind == "cmis:folder",
        length if type(length) is int and length >= 0 and kind == "cmis:document" else None,
        _until(known),
        token if isinstance(token, str) else None,
        tuple(each for each in secondary if isinstance(each, str)) if isinstance(secondary, list) else (),
    )


def _until(known: Mapping[str, Any]) -> datetime:
    """The lock that an object's properties tell; the beginning of 1970 where they tell none."""
    milliseconds, described = known.get(_EXPIRES), known.get("cmis:description")
    if type(milliseconds) is int:
        try:
            return _EPOCH + timedelta(milliseconds=milliseconds // 1000 * 1000)
        except OverflowError:
            return _LATEST if milliseconds > 0 else _EPOCH
    found = _DESCRIBED.fullmatch(described) if isinstance(described, str) else None
    if found is None:
        return _EPOCH
    try:
        return datetime.strptime(found[1], _FORM).replace(tzinfo=UTC)
    except ValueError:
        return _EPOCH


def _member(said: Any, name: str, kind: type) -> Any:
    value = said.get(name) if isinstance(said, dict) else None
    if not isinstance(value, kind):
        raise StoreUnreachable("the store's answer makes no sense")
    return value

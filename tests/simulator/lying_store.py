"""Lies for the proxy in front of a real store: each in one call. The real store behind stays whole; what it has lost is
played: a version that is gone is not found, a lock that is gone is not told."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from tests.simulator.faulty_store import Answer, Forward, Request, refusal

_NONE = refusal(404, "NoSuchObjectLockConfiguration")
_SWIFT = Answer(200, {"content-type": "application/json"}, b'{"swift": {"version": "pacific"}}')
_EXPIRING = (
    b"<LifecycleConfiguration><Rule><ID>x</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>"
    b"<Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>"
)
LIES = (
    "retention",
    "overwrite",
    "overwrite-told",
    "delete",
    "marker",
    "shorten",
    "downgrade",
    "bypass",
    "clear",
    "latest-lock",
    "hold",
    "multipart",
    "copy",
    "default-removed",
    "lifecycle",
    "lifecycle-told",
    "bucket-deleted",
    "versioning-suspended",
    "swift",
)
"""Named after the trial that finds them, up to a hyphenated ``told``."""


@dataclass
class LyingStore:
    """A rule of ``FaultyStore`` that tells one lie."""

    lie: str
    versions: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    gone: set[str] = field(default_factory=set)
    told: dict[str, Answer] = field(default_factory=dict)
    until: dict[str, str] = field(default_factory=dict)
    copied: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    suspended: bool = False
    bare: bool = False

    def __call__(self, request: Request, forward: Forward) -> Answer:
        version, path = request.query.get("versionId", ""), request.target.partition("?")[0]
        played = self._played(request, version, path)
        if played is not None:
            return played
        answer = forward(request)
        self._note(request, answer, path)
        if self.lie == "lifecycle" and request.method == "HEAD" and request.key:
            return answer.with_headers(x_amz_expiration='expiry-date="Fri, 27 Nov 2026 00:00:00 GMT", rule-id="x"')
        return answer

    def _note(self, request: Request, answer: Answer, path: str) -> None:
        made = answer.headers.get("x-amz-version-id", "")
        if request.method == "PUT" and "x-amz-copy-source" in {name.lower() for name in request.headers}:
            self.copied.add(path)
        elif request.writes_object and answer.status == 200:
            if self.lie.startswith("overwrite") or (self.lie == "versioning-suspended" and self.suspended):
                self.gone |= set(self.versions[path])
            self.versions[path].append(made)
            lock = {name.lower(): value for name, value in request.headers.items()}
            self.until[made] = lock.get("x-amz-object-lock-retain-until-date", "")
        elif request.asks("POST", "uploadId"):
            self.copied.add(path)
        elif request.asks("PUT", "legal-hold") and b"ON" in request.body:
            self.held.add(request.query.get("versionId", ""))

    def _played(self, request: Request, version: str, path: str) -> Answer | None:
        if version in self.gone and request.method in ("GET", "HEAD"):
            if self.lie != "overwrite-told":
                return refusal(404, "NoSuchVersion")
            if not request.query.keys() - {"versionId", "x-id"}:
                return Answer(200, {}, b"other")
        if request.asks("GET", "retention"):
            return self._retention(version, path)
        if request.asks("PUT", "retention"):
            return self._retain(request, version)
        if request.method == "DELETE":
            return self._delete(request, version, path)
        return self._of_bucket(request, path)

    def _retention(self, version: str, path: str) -> Answer | None:
        if self.lie == "retention" or (self.lie in ("copy", "multipart") and path in self.copied):
            return _NONE
        if self.lie == "latest-lock" and self.until.get(version, "") > "2038":
            return _told("COMPLIANCE", "1970-01-01T00:00:00Z")
        return self.told.get(version)

    def _retain(self, request: Request, version: str) -> Answer | None:
        mode = _element(request.body, b"Mode")
        until = _element(request.body, b"RetainUntilDate")
        sooner = bool(until) and _moment(until) < _moment(self.until.get(version) or until)
        bypassing = any(name.lower() == "x-amz-bypass-governance-retention" for name in request.headers)
        given = {
            "shorten": sooner and not bypassing,
            "downgrade": mode == "GOVERNANCE",
            "clear": not mode,
        }.get(self.lie, False)
        if not given:
            return None
        self.told[version] = _told(mode, until) if mode else _NONE
        return Answer()

    def _delete(self, request: Request, version: str, path: str) -> Answer | None:
        bypassing = any(name.lower() == "x-amz-bypass-governance-retention" for name in request.headers)
        if not request.key:
            if self.lie != "bucket-deleted":
                return None
            self.gone |= {each for key, versions in self.versions.items() if key.startswith(path) for each in versions}
            return Answer(204)
        if self.lie == "marker" and version and version not in self.versions[path]:
            self.gone |= set(self.versions[path])
            return None
        deletes = {
            "delete": bool(version) and not bypassing,
            "bypass": bool(version) and bypassing,
            "hold": version in self.held,
            "default-removed": bool(version) and self.bare,
        }.get(self.lie, False)
        if not deletes:
            return None
        self.gone.add(version)
        return Answer(204)

    def _of_bucket(self, request: Request, path: str) -> Answer | None:
        if request.asks("PUT", "object-lock"):
            self.bare = b"<Rule>" not in request.body
        if self.lie == "versioning-suspended" and request.asks("PUT", "versioning"):
            self.suspended = b"Suspended" in request.body
            return Answer()
        if self.lie == "lifecycle-told" and request.asks("GET", "lifecycle"):
            return Answer(200, {"content-type": "application/xml"}, _EXPIRING)
        return _SWIFT if self.lie == "swift" and path == "/swift/info" else None


def _element(body: bytes, name: bytes) -> str:
    found = re.search(rb"<%s>([^<]*)</%s>" % (name, name), body)
    return found[1].decode() if found else ""


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _told(mode: str, until: str) -> Answer:
    text = f"<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"
    return Answer(200, {"content-type": "application/xml"}, text.encode())

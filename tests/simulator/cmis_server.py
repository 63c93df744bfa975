"""A repository of CMIS 1.1 over the browser binding, in memory: ours, written from the specification for these tests.

It knows what the archive asks for (repository and type information, objects by path and identifier, children in pages,
content streams, createFolder, createDocument, update, delete, client-managed retentions), and is strict in it.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit
from weakref import WeakValueDictionary

RETENTION = "cmis:rm_clientMgtRetention"
USER, PASSWORD = "archive", "archive-password"
STATUS = {
    "invalidArgument": 400,
    "objectNotFound": 404,
    "permissionDenied": 403,
    "constraint": 409,
    "nameConstraintViolation": 409,
    "updateConflict": 409,
    "notSupported": 405,
    "storage": 500,
    "runtime": 500,
}
"""Clause 5.2.10: what each exception is as an HTTP status."""


class CmisError(Exception):
    """Ends a request with an exception of the specification's."""


@dataclass(frozen=True, slots=True)
class Request:
    """``arguments``: of the address, or the form's controls."""

    method: str
    path: str
    arguments: dict[str, str]


@dataclass
class Answer:
    """``body``: cut after ``cut`` bytes, if that is given; sent after ``stall`` seconds."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall: float = 0.0


Rule = Callable[[Request], Answer | None]


@dataclass
class Node:
    """A document (``content`` is bytes) or a folder."""

    identifier: str
    name: str
    parent: str
    content: bytes | None
    properties: dict[str, Any] = field(default_factory=dict)
    token: int = 1


class CmisServer:
    """Serves from when the ``with`` begins until it ends, on a port of the loopback interface.

    ``rule``: answers in the repository's place where it gives an answer. ``seen``: the requests.
    """

    def __init__(self, *, retention: bool = True, ranges: bool = True, page: int = 7) -> None:
        self.retention, self.ranges, self.page = retention, ranges, page
        self.rule: Rule = lambda _request: None
        self.seen: list[Request] = []
        self.nodes = {"root": Node("root", "", "", None)}
        self.lock = threading.Lock()
        self._count = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"repository": self}))
        self._http.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.service = f"{self.base}/browser"
        _SERVERS[self.base] = self

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def at(self, path: str) -> Node:
        """Raises ``CmisError``."""
        node = self.nodes["root"]
        for part in filter(None, path.split("/")):
            node = next((n for n in self.nodes.values() if n.parent == node.identifier and n.name == part), node)
            if node.name != part:
                raise CmisError("objectNotFound")
        return node

    def get(self, target: str, arguments: dict[str, str]) -> Answer:
        if target == "/browser":
            return _as_json({"repo": self._information(), "other": {}})
        if target == "/browser/repo":
            return self._about(arguments)
        node, selector = self._target(target, arguments), arguments.get("cmisselector", "object")
        if selector == "object":
            return _as_json(self._shown(node))
        if selector == "content":
            if node.content is None:
                raise CmisError("constraint")
            return Answer(200, node.content, {"Content-Type": "application/octet-stream"})
        if selector == "children":
            return self._children(node, arguments)
        raise CmisError("notSupported")

    def post(self, target: str, form: dict[str, str], content: bytes | None) -> Answer:
        action, node = form.get("cmisaction"), self._target(target, form)
        if action in ("createDocument", "createFolder"):
            if node.content is not None:
                raise CmisError("invalidArgument")
            return self._create(node, _properties(form), content if action == "createDocument" else None)
        if action == "update":
            if form.get("changeToken", str(node.token)) != str(node.token):
                raise CmisError("updateConflict")
            self._update(node, _properties(form))
            return _as_json(self._shown(node))
        if action == "delete":
            if node.properties.get("cmis:rm_expirationDate", 0) > time.time() * 1000:
                raise CmisError("constraint")
            if any(each.parent == node.identifier for each in self.nodes.values()):
                raise CmisError("constraint")
            del self.nodes[node.identifier]
            return Answer()
        raise CmisError("notSupported")

    def _information(self) -> dict[str, Any]:
        return {
            "repositoryId": "repo",
            "repositoryName": "tests",
            "cmisVersionSupported": "1.1",
            "rootFolderId": "root",
            "repositoryUrl": f"{self.service}/repo",
            "rootFolderUrl": f"{self.service}/repo/root",
            "capabilities": {"capabilityQuery": "none", "capabilityMultifiling": False},
        }

    def _about(self, arguments: dict[str, str]) -> Answer:
        if arguments.get("cmisselector", "repositoryInfo") == "repositoryInfo":
            return _as_json({"repo": self._information()})
        if arguments["cmisselector"] == "typeDefinition":
            known = {"cmis:document", "cmis:folder", *([RETENTION] if self.retention else [])}
            if arguments.get("typeId") not in known:
                raise CmisError("objectNotFound")
            return _as_json({"id": arguments["typeId"], "baseId": "cmis:secondary"})
        raise CmisError("notSupported")

    def _target(self, target: str, arguments: dict[str, str]) -> Node:
        root = "/browser/repo/root"
        if target != root and not target.startswith(root + "/"):
            raise CmisError("objectNotFound")
        if "objectId" in arguments:
            if arguments["objectId"] not in self.nodes:
                raise CmisError("objectNotFound")
            return self.nodes[arguments["objectId"]]
        return self.at(unquote(target[len(root) :]))

    def _children(self, folder: Node, arguments: dict[str, str]) -> Answer:
        if folder.content is not None:
            raise CmisError("invalidArgument")
        most, skip = min(self.page, int(arguments.get("maxItems", self.page))), int(arguments.get("skipCount", 0))
        found = [each for each in self.nodes.values() if each.parent == folder.identifier]
        page = [{"object": self._shown(each)} for each in found[skip : skip + most]]
        return _as_json({"objects": page, "hasMoreItems": len(found) > skip + most, "numItems": len(found)})

    def _shown(self, node: Node) -> dict[str, Any]:
        kind = "cmis:folder" if node.content is None else "cmis:document"
        shown = {
            "cmis:objectId": node.identifier,
            "cmis:name": node.name,
            "cmis:baseTypeId": kind,
            "cmis:objectTypeId": kind,
            "cmis:changeToken": str(node.token),
            **node.properties,
        }
        if node.content is not None:
            shown["cmis:contentStreamLength"] = len(node.content)
        return {"succinctProperties": shown}

    def _create(self, folder: Node, properties: dict[str, Any], content: bytes | None) -> Answer:
        kind, name = properties.get("cmis:objectTypeId"), properties.get("cmis:name")
        if kind != ("cmis:folder" if content is None else "cmis:document") or not isinstance(name, str) or not name:
            raise CmisError("invalidArgument")
        self._free(folder.identifier, name)
        self._count += 1
        node = Node(f"id/{self._count}&x", name, folder.identifier, content)
        self.nodes[node.identifier] = node
        return _as_json(self._shown(node), 201)

    def _free(self, folder: str, name: str) -> None:
        if any(each.parent == folder and each.name == name for each in self.nodes.values()):
            raise CmisError("nameConstraintViolation")

    def _update(self, node: Node, properties: dict[str, Any]) -> None:
        changed = dict(node.properties)
        for key, value in properties.items():
            if key == "cmis:name":
                self._free(node.parent, value)
            elif key == "cmis:secondaryObjectTypeIds":
                if not isinstance(value, list) or not set(value) <= ({RETENTION} if self.retention else set()):
                    raise CmisError("constraint")
                changed[key] = value
            elif key == "cmis:rm_expirationDate":
                if RETENTION not in properties.get("cmis:secondaryObjectTypeIds", changed.get(key, [])):
                    raise CmisError("constraint")
                if int(value) < changed.get(key, 0):  # clause 2.1.16: a period may be extended only
                    raise CmisError("constraint")
                changed[key] = int(value)
            elif key == "cmis:description":
                changed[key] = value
            else:
                raise CmisError("invalidArgument")
        node.name, node.properties = properties.get("cmis:name", node.name), changed
        node.token += 1


_SERVERS: WeakValueDictionary[str, CmisServer] = WeakValueDictionary()


def server_at(url: str) -> CmisServer:
    """Whose address that is."""
    return next(server for base, server in _SERVERS.items() if url.startswith(f"{base}/"))


class _Handler(BaseHTTPRequestHandler):
    repository: CmisServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        arguments = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self._serve(Request("GET", parts.path, arguments), lambda: self.repository.get(parts.path, arguments))

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # who sent it went away
            self.close_connection = True
            return
        form, content = self._form(body)
        path = urlsplit(self.path).path
        self._serve(Request("POST", path, form), lambda: self.repository.post(path, form, content))

    def _serve(self, request: Request, act: Callable[[], Answer]) -> None:
        answer = self.repository.rule(request)
        if answer is None:
            expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            try:
                with self.repository.lock:
                    self.repository.seen.append(request)
                    answer = act() if self.headers.get("Authorization") == expected else Answer(401)
            except CmisError as error:
                answer = _as_json({"exception": str(error), "message": "as the test wants it"}, STATUS[str(error)])
        self._send(answer, request)

    def _send(self, answer: Answer, request: Request) -> None:
        time.sleep(answer.stall)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted and self.repository.ranges and answer.status == 200:
            start, end = int(wanted[1]), min(int(wanted[2]), len(answer.body) - 1)
            answer.headers["Content-Range"] = f"bytes {start}-{end}/{len(answer.body)}"
            answer.status, answer.body = 206, answer.body[start : end + 1]
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body if answer.cut is None else answer.body[: answer.cut])
        if answer.cut is not None:
            self.wfile.flush()
            self.close_connection = True

    def _form(self, body: bytes) -> tuple[dict[str, str], bytes | None]:
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/form-data"):
            found = parse_qs(body.decode(), keep_blank_values=True, strict_parsing=True)
            return {key: values[0] for key, values in found.items()}, None
        message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        form, content = {}, None
        for part in message.iter_parts():  # type: ignore[attr-defined]
            name = part.get_param("name", header="content-disposition")
            if name == "content":
                content = part.get_payload(decode=True)
            else:
                form[name] = part.get_payload(decode=True).decode()
        return form, content

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


def _as_json(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _properties(form: dict[str, str]) -> dict[str, Any]:
    """Clause 5.4."""
    found: dict[str, Any] = {}
    number = 0
    while f"propertyId[{number}]" in form:
        name = form[f"propertyId[{number}]"]
        if f"propertyValue[{number}]" in form:
            found[name] = form[f"propertyValue[{number}]"]
        else:
            values = (form.get(f"propertyValue[{number}][{index}]") for index in range(len(form)))
            found[name] = [value for value in values if value is not None]
        number += 1
    return found

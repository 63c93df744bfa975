"""/docs: the OpenAPI document as one page that loads nothing from anywhere and runs no script."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "code,pre{font:14px/1.4 monospace;background:#f4f4f4}pre{padding:.75rem;overflow:auto}"
    "h2{border-top:1px solid #ccc;padding-top:1rem}.method{margin-right:.5rem}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;vertical-align:top;text-align:left}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
_HEADERS = {"Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'"}


def add_documentation(application: FastAPI) -> None:
    """Serves /docs for what ``application`` declares."""

    @application.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page(application.openapi()), headers=_HEADERS)


def page(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document."""
    info = document["info"]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    index = "".join(
        f"<li><a href='#{method}-{escape(path)}'><code>{method.upper()} {escape(path)}</code></a> "
        f"{escape(operation.get('summary', ''))}"
        for path, method, operation in operations
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
        f"<h1>{title}</h1><p>{escape(info.get('description', ''))}"
        f"<p>The same for programs: <a href=/openapi.json>openapi.json</a><ul>{index}</ul>"
        + "".join(_operation(*operation) for operation in operations)
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [
        f"<h2 id='{method}-{escape(path)}'><span class=method>{method.upper()}</span><code>{escape(path)}</code></h2>",
        f"<p>{escape(operation.get('summary', ''))}",
        _table(
            ("Parameter", "In", "Meaning"),
            [(item["name"], item["in"], item.get("description", "")) for item in operation.get("parameters", [])],
        ),
    ]
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<h3>Body: <code>{escape(media_type)}</code></h3>{_example(content)}{_schema(content)}")
    answers = sorted(operation.get("responses", {}).items())
    parts.append(_table(("Status", "Meaning"), [(status, item.get("description", "")) for status, item in answers]))
    for status, item in answers:
        for media_type, content in item.get("content", {}).items():
            if "example" in content or (status < "300" and content.get("schema", {}).get("properties")):
                heading = f"<h3>Answer {escape(status)}: <code>{escape(media_type)}</code></h3>"
                parts.append(heading + _example(content) + (_schema(content) if status < "300" else ""))
    return "".join(parts)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}" for cell in row) for row in rows)
    return "<table><tr>" + "".join(f"<th>{escape(cell)}" for cell in head) + f"{cells}</table>"


def _example(content: dict[str, Any]) -> str:
    if "example" not in content:
        return ""
    example = content["example"]
    text = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
    return f"<pre>{escape(text)}</pre>"


def _schema(content: dict[str, Any]) -> str:
    text = json.dumps(content.get("schema", {}), indent=2, ensure_ascii=False)
    return f"<details><summary>Schema</summary><pre>{escape(text)}</pre></details>"

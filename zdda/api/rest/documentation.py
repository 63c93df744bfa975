"""/docs: the OpenAPI document as one page that loads nothing from anywhere."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "code,pre{font:14px/1.4 monospace;background:#f4f4f4}pre{padding:.75rem;overflow:auto}"
    "h2{border-top:1px solid #ccc;padding-top:1rem}.method{font-weight:bold;margin-right:.5rem}"
    "table{border-collapse:collapse}td{padding:.2rem .8rem .2rem 0;vertical-align:top}"
)


def add_documentation(application: FastAPI) -> None:
    """Serves /docs for what ``application`` declares."""

    @application.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(page(application.openapi()), headers=policy)


def page(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document."""
    info = document["info"]
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>",
        f"<style>{_STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        f"<p>{escape(info.get('description', ''))}</p>",
        "<p>The same for programs: <a href=/openapi.json>openapi.json</a></p>",
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts.append(_operation(path, method, operation))
    return "".join(parts)


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(status)}</code><td>{escape(answer.get('description', ''))}"
        for status, answer in sorted(operation.get("responses", {}).items())
        if status != "422" or "problem" in json.dumps(answer)
    )
    body = ""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        text = json.dumps(content.get("example", content.get("schema")), indent=2, ensure_ascii=False)
        body = f"<p>Body: <code>{escape(media_type)}</code><pre>{escape(text)}</pre>"
    return (
        f"<h2><span class=method>{method.upper()}</span><code>{escape(path)}</code></h2>"
        f"<p>{escape(operation.get('summary', ''))}</p>{body}<table>{rows}</table>"
    )

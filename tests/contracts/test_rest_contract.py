"""What /v1 promises. This interface is stable: a line of this file may be added, not changed."""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import anyio
import httpx
import jsonschema
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "unit" / "api"))

from fake_archive import PASSWORD, FakeArchive

from zdda.api.rest import openapi

CALLS = {
    ("post", "/v1/deposits"): {"201", "202", "400", "401", "403", "408", "409", "413", "422", "503", "507"},
    ("get", "/v1/deposits/{deposit_id}"): {"200", "401", "403", "404"},
    ("get", "/v1/packages/{package_id}"): {"200", "401", "403", "404"},
    ("get", "/v1/packages/{package_id}/documents/{number}"): {"200", "401", "403", "404", "500", "503"},
    ("get", "/v1/packages/{package_id}/aip"): {"200", "401", "403", "404", "500", "503"},
    ("get", "/v1/packages/{package_id}/evidence-record"): {"200", "401", "403", "404"},
    ("get", "/v1/packages/{package_id}/validation-report"): {"200", "401", "403", "404"},
    ("get", "/v1/packages/{package_id}/signatures"): {"200", "401", "403", "404"},
    ("get", "/v1/packages/{package_id}/certificates"): {"200", "401", "403", "404"},
    ("post", "/v1/validations"): {"200", "400", "401", "403", "406", "408", "413", "422", "503", "507"},
    ("get", "/v1/health/live"): {"200"},
    ("get", "/v1/health/ready"): {"200", "503"},
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return FakeArchive().application.openapi()


def request(method: str, path: str, **options: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(FakeArchive().application)
        async with httpx.AsyncClient(transport=transport, base_url="https://x", auth=("kis", PASSWORD)) as client:
            return await client.request(method, path, **options)

    return anyio.run(run)


def test_every_call_and_answer_is_published(document: dict[str, Any]) -> None:
    published = {
        (method, path): set(operation["responses"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    for call, statuses in CALLS.items():
        assert statuses <= published[call], call


def test_openapi_is_served(document: dict[str, Any]) -> None:
    assert request("GET", "/openapi.json").json() == document
    assert "$defs" not in json.dumps(document)


def test_the_example_deposit_works(document: dict[str, Any]) -> None:
    body = document["paths"]["/v1/deposits"]["post"]["requestBody"]["content"]["multipart/form-data"]["example"]
    headers = {"Content-Type": "multipart/form-data; boundary=boundary"}
    assert request("POST", "/v1/deposits", content=body.encode(), headers=headers).status_code == 201


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    seen = 0
    for methods in document["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for content in answer.get("content", {}).values():
                    if "example" in content:
                        jsonschema.validate(content["example"], content["schema"])
                        seen += 1
    assert seen >= 5
    receipt = json.loads((files("zdda") / "schemas" / "receipt-v1.json").read_text(encoding="utf-8"))
    jsonschema.validate(openapi.EXAMPLE_RECEIPT, receipt, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("path", ["/v1/deposits/00000000-0000-0000-0000-000000000001", f"/v1/packages/{'0' * 32}"])
def test_problems_fit_their_schema(document: dict[str, Any], path: str) -> None:
    answer = request("GET", path)
    assert answer.status_code == 404
    schema = document["paths"]["/v1/deposits"]["post"]["responses"]["422"]["content"]["application/problem+json"]
    jsonschema.validate(answer.json(), schema["schema"])


def test_a_package_fits_its_schema(document: dict[str, Any]) -> None:
    content = document["paths"]["/v1/packages/{package_id}"]["get"]["responses"]["200"]["content"]
    schema = content["application/json"]["schema"]
    schema["properties"]["metadata"] = {}  # the fake's are shorter
    jsonschema.validate(request("GET", "/v1/packages/00000000-0000-0000-0000-000000000007").json(), schema)

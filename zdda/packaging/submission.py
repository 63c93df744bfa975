"""Submission metadata: from the Producer's bytes to :class:`SubmissionMetadata` and back to canonical JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

from zdda.model.canonical_json import parse_json
from zdda.model.errors import InvalidInput
from zdda.model.submission import ExternalId, SubjectIdentifier, SubmissionMetadata

LIMIT = 1024 * 1024
_MOST_ERRORS = 100
_SAFE_STEP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,62}")


@dataclass(frozen=True, slots=True)
class MetadataError:
    """One thing that is wrong. ``pointer`` is an RFC 6901 pointer; ``message`` echoes nothing that was sent."""

    pointer: str
    message: str


class MetadataInvalid(InvalidInput):
    """The submission metadata break their schema; ``errors`` holds all that is wrong, in document order."""

    code = "metadata-invalid"

    def __init__(self, errors: tuple[MetadataError, ...]) -> None:
        listed = [{"pointer": error.pointer, "message": error.message} for error in errors]
        super().__init__("the submission metadata are not valid", errors=listed)
        self.errors = errors


class MetadataTooLarge(InvalidInput):
    """The submission metadata are over 1 MiB."""

    code = "metadata-too-large"


def parse_submission_metadata(data: bytes) -> SubmissionMetadata:
    """Reads UTF-8 JSON after ``schemas/submission-metadata-v1.json``.

    Raises :class:`MetadataTooLarge`, or :class:`MetadataInvalid` with every error at once (100 at most).
    """
    if len(data) > LIMIT:
        raise MetadataTooLarge("the submission metadata are over 1 MiB")
    try:
        value = parse_json(data, LIMIT)
    except ValueError:
        message = "is not JSON in UTF-8 without duplicate members"
        raise MetadataInvalid((MetadataError("", message),)) from None
    errors = list(_errors(value))[:_MOST_ERRORS]
    if not errors and value.get("created") is not None and not _is_moment(value["created"]):
        errors.append(MetadataError("/created", "is not a date of the calendar"))
    if errors:
        raise MetadataInvalid(tuple(errors))
    return from_json(value)


def from_json(value: Mapping[str, Any]) -> SubmissionMetadata:
    """From a JSON value that is known to be valid."""
    external = value.get("externalId")
    return SubmissionMetadata(
        title=value["title"],
        document_type=value["documentType"],
        retention_class=value["retentionClass"],
        originator=value.get("originator"),
        created=value.get("created"),
        external_id=ExternalId(external["producer"], external["id"]) if external else None,
        subjects=tuple(SubjectIdentifier(each["type"], each["value"]) for each in value.get("subjects", ())),
        fields=dict(value.get("fields", {})),
    )


def as_json(metadata: SubmissionMetadata) -> dict[str, Any]:
    """The JSON value of ``metadata``; members that say nothing are left out."""
    value: dict[str, Any] = {
        "title": metadata.title,
        "documentType": metadata.document_type,
        "retentionClass": metadata.retention_class,
    }
    if metadata.originator is not None:
        value["originator"] = metadata.originator
    if metadata.created is not None:
        value["created"] = metadata.created
    if metadata.external_id is not None:
        value["externalId"] = {"producer": metadata.external_id.producer, "id": metadata.external_id.id}
    if metadata.subjects:
        value["subjects"] = [{"type": each.type, "value": each.value} for each in metadata.subjects]
    if metadata.fields:
        value["fields"] = dict(metadata.fields)
    return value


@cache
def _validator() -> Draft202012Validator:
    text = (files("zdda") / "schemas" / "submission-metadata-v1.json").read_text("utf-8")
    schema = json.loads(text)
    definitions = schema.pop("$defs")
    kind = validators.extend(Draft202012Validator, {"pattern": _whole_pattern})  # type: ignore[no-untyped-call]
    return kind(_inlined(schema, definitions))  # type: ignore[no-any-return]


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema with its references replaced: looking them up costs more than all the rest of a validation."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _inlined(value, definitions) for key, value in schema.items() if key != "$ref"}
    if "$ref" in schema:
        result = {**definitions[schema["$ref"].removeprefix("#/$defs/")], **result}
    return result


def _whole_pattern(_: object, pattern: str, instance: object, __: object) -> Iterator[ValidationError]:
    """ECMA 262's ``$`` is the end of the text; Python's also stands before a last line feed."""
    if isinstance(instance, str) and not _compiled(pattern).search(instance):
        yield ValidationError("pattern")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern))


_MESSAGES = {
    "type": "is of the wrong type",
    "pattern": "holds characters that are not allowed here, or is in the wrong form",
    "not": "is blank",
    "minLength": "is empty",
    "maxLength": "is too long",
    "maxItems": "has too many items",
    "maxProperties": "has too many members",
    "additionalProperties": "has a member of a name that is not known",
    "required": "lacks a member",
}


def _errors(value: object) -> Iterator[MetadataError]:
    found = sorted(_validator().iter_errors(value), key=lambda error: [str(step) for step in error.absolute_path])
    seen = set()
    for error in found:
        message = _MESSAGES.get(str(error.validator), "is not valid")
        if "propertyNames" in error.absolute_schema_path:
            message = _MESSAGES["additionalProperties"]
        elif error.validator == "required":
            message = f"lacks the member {_missing(error)}"
        one = MetadataError(_pointer(error.absolute_path), message)
        if one not in seen:
            seen.add(one)
            yield one


def _missing(error: ValidationError) -> str:
    """The name of the member that is required: the schema's word, told apart by the library's message."""
    required = error.validator_value
    assert isinstance(required, list)
    return next(str(name) for name in required if error.message.startswith(repr(name)))


def _pointer(path: Any) -> str:
    """The pointer as far as its steps are our own names or plain ones."""
    pointer = ""
    for step in path:
        if not isinstance(step, int) and not _SAFE_STEP.fullmatch(step):
            break
        pointer += f"/{step}"
    return pointer


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True

"""A report's canonical JSON written straight from the blocks: what ``canonical_json`` makes of the same, several times
faster, for the records of constraints are most of a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring as quoted
from typing import Any

from zdda.model.canonical_json import canonical_text
from zdda.validation.constraints import Block, Constraint, Status, message

# Members that hold blocks, and those whose objects have such members. All names are ASCII, and so sort plainly.
_BLOCKS = ("buildingBlocks", "processes")
_JUDGED = ("signatures", "timestamps")


def report_text(made: Mapping[str, Any]) -> str:
    """The canonical JSON of a report whose signatures and timestamps hold ``Block`` objects. Raises ``ValueError`` for
    what JSON cannot hold."""
    return _object(made, dict.fromkeys(_JUDGED, _judged))


def plain_report(made: Mapping[str, Any]) -> dict[str, Any]:
    """The same report as JSON values."""
    content = dict(made)
    for name in _JUDGED:
        content[name] = [
            {**item, **{blocks: [block.as_json() for block in item[blocks]] for blocks in _BLOCKS}}
            for item in made[name]
        ]
    return content


def _object(value: Mapping[str, Any], writers: Mapping[str, Callable[[Any], str]]) -> str:
    members = [f"{quoted(name)}:{writers.get(name, canonical_text)(value[name])}" for name in sorted(value)]
    return "{" + ",".join(members) + "}"


def _judged(items: Sequence[Mapping[str, Any]]) -> str:
    writers = dict.fromkeys(_BLOCKS, _blocks)
    return "[" + ",".join([_object(item, writers) for item in items]) + "]"


def _blocks(blocks: Sequence[Block]) -> str:
    return "[" + ",".join([_block(block) for block in blocks]) + "]"


def _block(block: Block) -> str:
    sub = block.conclusion.subindication
    constraints = ",".join([_constraint(constraint) for constraint in block.constraints])
    return (
        f'{{"clause":{quoted(block.clause)},"constraints":[{constraints}],'
        f'"indication":"{block.conclusion.indication.value}","name":{quoted(block.name)},'
        f'"subindication":{"null" if sub is None else quoted(sub)}}}'
    )


def _constraint(constraint: Constraint) -> str:
    id, clause, status, checked, against = constraint
    return f'{{"against":{quoted(against)},"checked":{quoted(checked)},{_constant(id, clause, status)}'


@lru_cache(maxsize=4096)
def _constant(id: str, clause: str, status: Status) -> str:
    """What is the same in every record of one constraint that ended one way."""
    value = {"clause": clause, "id": id, "message": message(id, status), "status": str(status)}
    return canonical_text(value)[1:]

"""The algorithm catalogue from a machine-readable document: the JSON form of ETSI TS 119 322 (after RFC 5698).

What the document does not list is not accepted. Its ``End`` is taken for the day from which an algorithm is not relied
upon, which is the stricter reading.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.model.canonical_json import parse_json
from zdda.model.clock import parse_time
from zdda.model.errors import InvalidInput

MAXIMUM_LENGTH = 1024 * 1024
_ALGORITHMS, _EVALUATIONS = 1000, 100
_DIGESTS = {
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.7": "sha3_224",
    "2.16.840.1.101.3.4.2.8": "sha3_256",
    "2.16.840.1.101.3.4.2.9": "sha3_384",
    "2.16.840.1.101.3.4.2.10": "sha3_512",
    "1.3.36.3.2.1": "ripemd160",
    "1.0.10118.3.0.55": "whirlpool",
}
_KEYS = {
    "1.2.840.113549.1.1.1": "rsassa_pkcs1v15",
    "1.2.840.113549.1.1.10": "rsassa_pss",
    "1.2.840.10045.2.1": "ecdsa",
    "0.4.0.127.0.7.1.1.4.1": "plain_ecdsa",
    "1.2.840.10040.4.1": "dsa",
}
# A suite of a mechanism with a digest speaks of the mechanism, where the document does not do so by itself.
_SUITES = {
    **{f"1.2.840.113549.1.1.{arc}": "rsassa_pkcs1v15" for arc in (4, 5, 11, 12, 13, 14)},
    **{f"2.16.840.1.101.3.4.3.{arc}": "rsassa_pkcs1v15" for arc in (13, 14, 15, 16)},
    "1.2.840.10045.4.1": "ecdsa",
    **{f"1.2.840.10045.4.3.{arc}": "ecdsa" for arc in (1, 2, 3, 4)},
    **{f"2.16.840.1.101.3.4.3.{arc}": "ecdsa" for arc in (9, 10, 11, 12)},
    **{f"0.4.0.127.0.7.1.1.4.1.{arc}": "plain_ecdsa" for arc in range(1, 12)},
    "1.2.840.10040.4.3": "dsa",
    **{f"2.16.840.1.101.3.4.3.{arc}": "dsa" for arc in (1, 2, 3, 4, 5, 6, 7, 8)},
}
_SIZES = ("moduluslength", "plength", "qlength")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class CatalogueError(InvalidInput):
    """The document is no algorithm catalogue of the form of TS 119 322."""

    code = "algorithm-catalogue"


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """``least``, ``most``: of the key size in bits, None where none is said."""

    least: int | None
    most: int | None
    end: datetime | None
    usage: str


def read_catalogue(document: bytes) -> AlgorithmCatalogue:
    """Raises ``CatalogueError``. ``reviewed`` is the document's day of issue: an end after it is told, and does not
    fail. An algorithm that is not known here is passed over: it could not be verified anyway."""
    if len(document) > MAXIMUM_LENGTH:
        raise CatalogueError("an algorithm catalogue is too long")
    try:
        content = json.loads(document)
        name = content["PolicyName"]["Name"]
        issued = datetime.fromisoformat(str(content["PolicyIssueDate"]))
        listed = content["Algorithm"]
        if not isinstance(name, str) or not isinstance(listed, list) or len(listed) > _ALGORITHMS:
            raise CatalogueError("an algorithm catalogue is of another form")
        found: dict[str, list[_Evaluation]] = {}
        for item in listed:
            identifier = str(item["AlgorithmIdentifier"]["ObjectIdentifier"]).removeprefix("urn:oid:")
            found.setdefault(identifier, []).extend(_evaluations(item["Evaluation"]))
    except CatalogueError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CatalogueError("an algorithm catalogue is of another form") from error
    digests = {_DIGESTS[oid]: _earliest(item.end for item in rows) for oid, rows in found.items() if oid in _DIGESTS}
    keys = {_KEYS[oid]: _rows(rows) for oid, rows in found.items() if oid in _KEYS}
    for mechanism in dict.fromkeys(_SUITES.values()):
        suites = [_rows(rows) for oid, rows in found.items() if _SUITES.get(oid) == mechanism]
        if suites and mechanism not in keys:
            keys[mechanism] = _latest(suites)
    reviewed = issued.astimezone(UTC) if issued.tzinfo is not None else issued.replace(tzinfo=UTC)
    return AlgorithmCatalogue(name[:200], reviewed, digests, keys)


def read_canonical(document: bytes) -> AlgorithmCatalogue:
    """What ``AlgorithmCatalogue.canonical`` wrote, and nothing else; raises ``CatalogueError``."""
    try:
        content = parse_json(document, MAXIMUM_LENGTH)
        keys = {
            str(name): tuple((int(least), _moment(end)) for least, end in rows)
            for name, rows in content["keys"].items()
        }
        digests = {str(name): _moment(end) for name, end in content["digests"].items()}
        catalogue = AlgorithmCatalogue(content["version"], parse_time(content["reviewed"]), digests, keys)
        canonical = catalogue.canonical == document
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise CatalogueError("an algorithm catalogue is of another form") from error
    if not canonical:
        raise CatalogueError("an algorithm catalogue is not in the canonical form")
    return catalogue


def _moment(end: str | None) -> datetime | None:
    return None if end is None else parse_time(end)


def _evaluations(listed: Any) -> list[_Evaluation]:
    if not isinstance(listed, list) or not listed or len(listed) > _EVALUATIONS:
        raise CatalogueError("an algorithm has no evaluation, or too many")
    found = list(_read(listed))
    # What is said of validating counts before what is said of nothing in particular, and that before making.
    validating = [item for item in found if "validate" in item.usage]
    general = [item for item in found if not item.usage]
    return validating or general or found


def _read(listed: list[Any]) -> Iterator[_Evaluation]:
    for item in listed:
        least = most = None
        for parameter in item.get("Parameter", ()):
            if str(parameter["name"]).lower() in _SIZES:
                least = _larger(least, parameter.get("Min"))
                most = _larger(most, parameter.get("Max"))
        end = item["Validity"].get("End")
        moment = None if end is None else datetime.combine(date.fromisoformat(str(end)[:10]), datetime.min.time(), UTC)
        yield _Evaluation(least, most, moment, str(item.get("AlgorithmUsage", "")))


def _larger(one: int | None, other: Any) -> int | None:
    if other is None:
        return one
    if not isinstance(other, int) or isinstance(other, bool) or not 0 <= other <= 1 << 20:
        raise CatalogueError("a key size is unfit")
    # Of DSA both the modulus and the subgroup are given; the size of a key is its modulus.
    return other if one is None else max(one, other)


def _earliest(ends: Iterable[datetime | None]) -> datetime | None:
    return min((end for end in ends if end is not None), default=None)


def _rows(evaluations: list[_Evaluation]) -> tuple[tuple[int, datetime | None], ...]:
    """(least key size, end), ascending. Above the largest size that is listed nothing is accepted."""
    rows: dict[int, datetime | None] = {}
    for item in evaluations:
        least = item.least or 0
        rows[least] = _earliest((rows[least], item.end)) if least in rows else item.end
    highest = [item.most for item in evaluations if item.most is not None]
    if highest and len(highest) == len(evaluations):
        rows.setdefault(max(highest) + 1, _NEVER)
    return tuple(sorted(rows.items(), key=lambda row: row[0]))


def _latest(suites: list[tuple[tuple[int, datetime | None], ...]]) -> tuple[tuple[int, datetime | None], ...]:
    """A key size lasts as long as the last suite that uses it: the digests have ends of their own."""
    rows = []
    for size in sorted({least for suite in suites for least, _ in suite}):
        ends = [[end for least, end in suite if least <= size][-1:] for suite in suites]
        reached = [end for found in ends for end in found]
        rows.append((size, None if None in reached else max(end for end in reached if end is not None)))
    return tuple(rows)

"""What a fork tells of a file, made safe to keep: a fork may be anybody's by then."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic.alias_generators import to_camel

from processors.media.errors import Cause, MediaError

_MAX_TEXT = 200_000
_MAX_MESSAGE = 500
_MAX_ITEMS = 2_000
_MAX_PROBLEMS = 50
_MAX_DEPTH = 8
_MAX_INTEGER = 2**63


def told(
    answer: Mapping[str, Any], extractors: Collection[str]
) -> list[dict[str, Any]]:
    """Take the answer of a metadata task apart.

    Args:
        answer: See ``processors.media.metadata``.
        extractors: Those that were asked; one that says nothing has crashed.

    Returns:
        For each: ``extractor``, and ``facts`` and ``problems``, or ``cause`` and
        ``message``.
    """
    said = answer.get("extracted")
    by_name: dict[str, dict[str, Any]] = {}
    for one in said if isinstance(said, list) else []:
        if isinstance(one, dict) and one.get("extractor") in extractors:
            by_name[one["extractor"]] = _checked(one)
    return [by_name.get(name) or _crashed(name) for name in extractors]


def failures_of(extractors: Iterable[str], exc: MediaError) -> list[dict[str, Any]]:
    """Say of each extractor why it could not read the file."""
    return [_failed(name, exc.cause.value, exc.message) for name in extractors]


def camel_case(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Name the facts of a probe as all others are named."""
    return {to_camel(name): _camel(value) for name, value in facts.items()}


def _camel(value: object) -> object:
    if isinstance(value, Mapping):
        return camel_case(value)
    return [_camel(one) for one in value] if isinstance(value, list) else value


def _checked(one: Mapping[str, Any]) -> dict[str, Any]:
    name = one["extractor"]
    match one:
        case {"cause": str(cause), "message": str(message)} if cause in set(Cause):
            return _failed(name, cause, message)
        case {"facts": dict(facts)}:
            problems = one.get("problems")
            texts = problems if isinstance(problems, list) else []
            return {
                "extractor": name,
                "facts": _plain(facts, _MAX_DEPTH),
                "problems": [
                    text[:_MAX_MESSAGE]
                    for text in texts[:_MAX_PROBLEMS]
                    if isinstance(text, str)
                ],
            }
        case _:
            return _crashed(name)


def _crashed(extractor: str) -> dict[str, Any]:
    return _failed(extractor, Cause.CRASHED.value, "the process gave no answer on it")


def _failed(extractor: str, cause: str, message: str) -> dict[str, Any]:
    return {"extractor": extractor, "cause": cause, "message": message[:_MAX_MESSAGE]}


def _plain(value: Any, depth: int) -> Any:  # noqa: ANN401  (any JSON value)
    """Keep what a record can hold, within bounds; the rest becomes ``None``."""
    kept: Any = None
    match value:
        case bool():
            kept = value
        case str():
            kept = value[:_MAX_TEXT].replace("\0", "")
        case int() if -_MAX_INTEGER <= value < _MAX_INTEGER:
            kept = value
        case float() if math.isfinite(value):
            kept = value
        case list() if depth:
            kept = [_plain(one, depth - 1) for one in value[:_MAX_ITEMS]]
        case dict() if depth:
            kept = {
                str(name).replace("\0", ""): _plain(one, depth - 1)
                for name, one in list(value.items())[:_MAX_ITEMS]
            }
        case _:
            pass
    return kept

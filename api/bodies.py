"""Bodies that describe a job: read once, refused with the field at fault.

What FastAPI would read by itself is taken apart here, since job requests are kept:
nothing may get in that MongoDB or a worker could not hold (NUL characters, numbers of
more than 64 bits, hundreds of levels), and every refusal is a 400 that names its field.
"""

from typing import Annotated, Any, NamedTuple, TypeVar

import orjson
from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.membership import Memberships
from catalog.errors import InvalidRequestError

MAX_DEPTH = 32
"""Levels of a body. MongoDB stops at 100, ``GET /api/jobs`` shows 150."""

_MAX_INT = 2**63 - 1
_MAX_OTHERS = 20
"""Further fields at fault that are named."""

_SHOWN_LENGTH = 200
"""Characters of a field's path that are told."""

_VALUE_ERROR = "Value error, "

AnyModel = TypeVar("AnyModel", bound=BaseModel)


class Body(NamedTuple):
    """A body as it came.

    Attributes:
        content: Not read yet.
        content_type: As the caller says.
        has_token: Whether a bearer token came with it (then a known one).
        memberships: Knows the groups of the user that a body may name.
    """

    content: bytes
    content_type: str
    has_token: bool
    memberships: Memberships


async def read_body(request: Request) -> Body:
    """Take the body in; the middleware refuses one that is too large."""
    try:
        content = await request.body()
    except ClientDisconnect as exc:
        raise HTTPException(400, "The body broke off.") from exc
    headers = request.headers
    return Body(
        content,
        headers.get("content-type", ""),
        "authorization" in headers,
        request.app.state.memberships,
    )


BodyDep = Annotated[Body, Depends(read_body)]
"""Not parsed yet: that is done in the endpoint's own thread."""


def json_object(body: Body) -> dict[str, Any]:
    """Read a body that must be a JSON object.

    Raises:
        HTTPException: 415; it is not said to be JSON.
        RequestValidationError: It is no JSON.
        InvalidRequestError: It is no object, or something in it can't be kept.
    """
    kind = body.content_type.partition(";")[0].strip().lower()
    # Also what keeps other sites' pages out: their browser has to ask us first.
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        problem = "Send the body as JSON, with `Content-Type: application/json`."
        raise HTTPException(415, problem)
    try:
        found = orjson.loads(body.content)
    except orjson.JSONDecodeError as exc:
        fault = {"type": "json_invalid", "loc": ("body",), "msg": f"no JSON: {exc}"}
        raise RequestValidationError([fault]) from exc
    if not isinstance(found, dict):
        raise InvalidRequestError("body", "Send a JSON object.")
    _check_values(found)
    return found


def validated(
    model: type[AnyModel], data: dict[str, Any], *, source: str = "body"
) -> AnyModel:
    """Make a model of what a body says.

    Args:
        model: Which.
        data: The body.
        source: Field to name when the parts don't go together.

    Raises:
        InvalidRequestError: It can't be used; names the first field at fault and the
            others after it.
    """
    try:
        return model.model_validate(data)
    except ValidationError as exc:
        faults = exc.errors(include_url=False, include_input=False)
    first, *rest = faults
    field = _path(first) or source
    detail = f"{field}: {_sentence(first, model)}"
    others = sorted({_path(fault) or source for fault in rest} - {field})
    if others:
        named = ", ".join(others[:_MAX_OTHERS])
        detail += f" Also at fault: {named}{' …' if others[_MAX_OTHERS:] else ''}."
    raise InvalidRequestError(field, detail)


def _path(fault: ErrorDetails) -> str:
    return ".".join(str(part) for part in fault["loc"])[:_SHOWN_LENGTH]


def _sentence(fault: ErrorDetails, model: type[BaseModel]) -> str:
    text = fault["msg"].removeprefix(_VALUE_ERROR)
    if fault["type"] == "extra_forbidden":
        text = "this field is not known"
        if len(fault["loc"]) == 1:
            known = [one.alias or name for name, one in model.model_fields.items()]
            known = list(dict.fromkeys(["userId", *known]))
            text += f"; known are {', '.join(known)}"
    return f"{text}."


def _check_values(body: dict[str, Any]) -> None:
    """Look at every key and value, in no particular order."""
    waiting: list[tuple[Any, str, int]] = [(body, "", 1)]
    while waiting:
        value, path, depth = waiting.pop()
        if isinstance(value, str):
            if "\0" in value:
                _refuse(path, "It contains a NUL character; leave it out.")
        elif isinstance(value, int):
            if not -_MAX_INT <= value <= _MAX_INT:
                _refuse(path, "The number has more than 64 bits; send a smaller one.")
        elif isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                _refuse(path, f"It lies more than {MAX_DEPTH} levels deep.")
            prefix = path + "." if path else ""
            named = value.items() if isinstance(value, dict) else enumerate(value)
            for name, one in named:
                if isinstance(name, str) and ("\0" in name or name[:1] == "$"):
                    problem = "A field's name has no NUL character and no $ in front."
                    _refuse(path or "body", problem)
                # Cut: a body of one long name and many values must not grow here.
                there = f"{prefix}{name}"[:_SHOWN_LENGTH]
                waiting.append((one, there, depth + 1))


def _refuse(path: str, problem: str) -> None:
    raise InvalidRequestError(path, f"{path}: {problem}")

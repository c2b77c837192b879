"""Single fields of foreign records, read tolerantly: a wrong type counts as absent.

What could not be read is noted as one phrase with the field's path.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any
from uuid import UUID

from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.objectid import ObjectId
from bson.timestamp import Timestamp

MAX_PROBLEMS = 50
"""Problems named of one record; of the others only the number is told."""

MAX_INT32 = 2**31 - 1
MAX_INT64 = 2**63 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMERIC_LENGTH = 40


class Reader:
    """Reads fields of one record and collects what is wrong with them."""

    __slots__ = ("_found", "_unnamed")

    def __init__(self) -> None:
        self._found: list[str] = []
        self._unnamed = 0

    @property
    def problems(self) -> tuple[str, ...]:
        """What was wrong so far, in order."""
        if not self._unnamed:
            return tuple(self._found)
        return (*self._found, f"and {self._unnamed} more problems")

    def note(self, path: str, problem: str) -> None:
        """Name a problem."""
        if len(self._found) < MAX_PROBLEMS:
            self._found.append(f"{path}: {problem}")
        else:
            self._unnamed += 1

    def wrong(self, path: str, expected: str, value: object) -> None:
        """Name a value of a wrong type."""
        self.note(path, f"expected {expected}, found {kind_of(value)}")

    # Each of these returns ``None`` for a field that is absent, null or wrong;
    # ``where`` is the path of ``raw`` with its final dot.

    def text(self, raw: Mapping[Any, Any], name: str, where: str = "") -> str | None:
        """Read a text; an empty one is absent."""
        value = raw.get(name)
        if value is None or type(value) is str:
            return value or None
        return self._odd_text(value, where + name)

    def _odd_text(self, value: object, path: str) -> str | None:
        if isinstance(value, str) and not isinstance(value, Code):
            return str.__str__(value) or None  # an enum that a mock kept
        self.wrong(path, "a text", value)
        return None

    def mapping(
        self, raw: Mapping[Any, Any], name: str, where: str = ""
    ) -> Mapping[Any, Any] | None:
        """Read a sub-document."""
        value = raw.get(name)
        if value is None or isinstance(value, dict):
            return value
        self.wrong(where + name, "an object", value)
        return None

    def items(
        self, raw: Mapping[Any, Any], name: str, where: str = ""
    ) -> list[Any] | tuple[Any, ...]:
        """Read a list; absent is empty."""
        value = raw.get(name)
        if isinstance(value, list | tuple):
            return value
        if value is not None:
            self.wrong(where + name, "a list", value)
        return ()

    def claim(self, raw: Mapping[Any, Any], name: str, where: str = "") -> bool | None:
        """Read a truth value; nothing else is taken for one."""
        value = raw.get(name)
        if value is None or value is True or value is False:
            return value
        self.wrong(where + name, "true or false", value)
        return None

    def whole(
        self,
        raw: Mapping[Any, Any],
        name: str,
        where: str = "",
        *,
        least: int = 0,
        most: int = MAX_INT64,
    ) -> int | None:
        """Read a whole number of any numeric type, or text that writes one."""
        value = raw.get(name)
        if value is None:
            return None
        number = value if type(value) is int else _whole(value)
        if number is None:
            self.wrong(where + name, "a number", value)
        elif not least <= number <= most:
            self.note(
                where + name, f"expected {least} to {most}, found {_short(number)}"
            )
            return None
        return number

    def number(
        self, raw: Mapping[Any, Any], name: str, where: str = ""
    ) -> float | None:
        """Read a finite number of any numeric type."""
        value = raw.get(name)
        if value is None:
            return None
        number = _number(value)
        if number is None:
            self.wrong(where + name, "a number", value)
        return number

    def time(
        self, raw: Mapping[Any, Any], name: str, where: str = ""
    ) -> datetime | None:
        """Read a date, an ISO 8601 text, or milliseconds since 1970."""
        value = raw.get(name)
        if value is None:
            return None
        if type(value) is datetime and value.tzinfo is not None:
            return value
        try:
            time = _time(value)
        except (ValueError, OverflowError, ArithmeticError):
            self.note(where + name, f"expected a date, found {_short(value)}")
            return None
        if time is None:
            self.wrong(where + name, "a date", value)
        return time


def identity(value: object) -> str | None:
    """Read a jobId or userId: a text, or something that platforms use instead.

    Returns:
        The text, or ``None`` for what can't identify anything.
    """
    if type(value) is str:
        return value or None
    if isinstance(value, bool):
        return None
    if isinstance(value, ObjectId | UUID):
        return str(value)
    if isinstance(value, int):
        return str(int(value)) if abs(value) <= MAX_INT64 else None
    if isinstance(value, str) and not isinstance(value, Code):
        return str.__str__(value) or None
    return None


def identity_forms(text: str) -> list[Any]:
    """List all values of which ``identity`` makes this text."""
    forms: list[Any] = [text]
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) < 20:  # noqa: PLR2004
        number = int(text)
        if str(number) == text and abs(number) <= MAX_INT64:
            forms.append(number)
    if len(text) == 24 and ObjectId.is_valid(text) and text == text.lower():  # noqa: PLR2004
        forms.append(ObjectId(text))
    if len(text) == 36 and text.count("-") == 4:  # noqa: PLR2004  (8-4-4-4-12)
        try:
            found = UUID(text)
        except ValueError:
            return forms
        if str(found) == text:
            forms.append(found)
    return forms


def is_text_storable(text: str) -> bool:
    """Whether BSON can hold a text: lone surrogates it can't."""
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def kind_of(value: object) -> str:
    """Name a value's type."""
    return "null" if value is None else type(value).__name__


def _short(value: object) -> str:
    try:
        return repr(value)[:60]
    except ValueError:  # Python refuses to write integers of more than 4,300 digits
        return "a huge number"


def _whole(value: object) -> int | None:
    """Take a number without a fraction out of any type; ``None`` if it isn't one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return int(value) if isfinite(value) and value == int(value) else None
    exact = _decimal(value)
    if exact is None or not exact.is_finite() or exact.adjusted() > _NUMERIC_LENGTH:
        return None
    return int(exact) if exact == exact.to_integral_value() else None


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, int | float):
            number = float(value)
        else:
            exact = _decimal(value)
            if exact is None:
                return None
            number = float(exact)
    except (OverflowError, ValueError):
        return None
    return number if isfinite(number) else None


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, Decimal128):
        return value.to_decimal()
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str) and 0 < len(value) <= _NUMERIC_LENGTH:
        text = value.strip()
        if text.isascii() and "_" not in text:
            try:
                return Decimal(text)
            except ArithmeticError:
                return None
    return None


def _time(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, Timestamp):
        return value.as_datetime()
    if isinstance(value, DatetimeMS):
        return _EPOCH + timedelta(milliseconds=int(value))
    if isinstance(value, str) and not isinstance(value, Code):
        time = datetime.fromisoformat(value.strip())
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    milliseconds = None if isinstance(value, Code) else _number(value)
    return None if milliseconds is None else _EPOCH + timedelta(0, 0, 0, milliseconds)

"""Takes A1111's last line apart: ``Steps: 20, Sampler: "a, b", Hashes: {…}``.

Every step moves forward, and a search that failed once is not tried again, so that
hostile text costs no more than its length.
"""

from json import JSONDecodeError, JSONDecoder
from typing import Any, Final

MAX_PARAMETERS: Final = 300

_MAX_NAME = 60
_DECODER = JSONDecoder()


def parameters_of(line: str) -> dict[str, Any]:
    """Read names and values of a line.

    Returns:
        By name in lower case: texts, or whatever JSON stood there. Of several values of
        one name the first.
    """
    return _Scanner(line).read()


class _Scanner:
    def __init__(self, line: str) -> None:
        self.line = line
        self.at = 0
        self.has_quotes = True
        self.has_json = True

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while len(found) < MAX_PARAMETERS:
            colon = self.line.find(":", self.at)
            if colon < 0:
                break
            # A comma before the colon ended something that was no parameter.
            comma = self.line.rfind(",", self.at, colon)
            name = self.line[max(comma + 1, self.at) : colon].strip().lower()
            self.at = colon + 1
            value = self._value()
            if name and len(name) <= _MAX_NAME:
                found.setdefault(name, value)
        return found

    def _value(self) -> Any:  # noqa: ANN401  (any JSON value)
        line = self.line
        while self.at < len(line) and line[self.at] == " ":
            self.at += 1
        first = line[self.at : self.at + 1]
        if first == '"' and self.has_quotes and (quoted := self._quoted()) is not None:
            return quoted
        if first in {"{", "["} and self.has_json:
            try:
                value, self.at = _DECODER.raw_decode(line, self.at)
            except (JSONDecodeError, RecursionError, ValueError):
                self.has_json = False
            else:
                return value
        comma = line.find(",", self.at)
        end = len(line) if comma < 0 else comma
        value, self.at = line[self.at : end].strip(), end + 1
        return value

    def _quoted(self) -> str | None:
        at = self.at + 1
        while True:
            quote = self.line.find('"', at)
            if quote < 0:
                self.has_quotes = False
                return None
            backslashes = quote - len(self.line[at:quote].rstrip("\\")) - at
            at = quote + 1
            if backslashes % 2 == 0:
                break
        text = self.line[self.at : at]
        self.at = at
        try:
            value = _DECODER.decode(text)
        except (JSONDecodeError, ValueError):
            value = text[1:-1]
        return str(value)

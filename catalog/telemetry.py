"""Structured logging; metric names live with the process that counts them."""

import json
import logging
import sys
from typing import Any, Literal

from typing_extensions import override

_STANDARD = frozenset(
    vars(logging.LogRecord("", 0, "", 0, "", None, None)) | {"message": 0, "asctime": 0}
)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message and the ``extra`` facts."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        facts |= {k: v for k, v in vars(record).items() if k not in _STANDARD}
        if record.exc_info:
            facts["exception"] = self.formatException(record.exc_info)
        return json.dumps(facts, default=str)


class TextFormatter(logging.Formatter):
    """A readable line; the ``extra`` facts follow as ``name=value``."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(
            f"{k}={v}" for k, v in vars(record).items() if k not in _STANDARD
        )
        line = (
            f"{self.formatTime(record, '%H:%M:%S')} {record.levelname:<7} "
            f"{record.name}: {record.getMessage()} {facts}"
        ).rstrip()
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def configure_logging(
    level: str, style: Literal["auto", "json", "text"] = "auto"
) -> None:
    """Send all logs to standard error in one style.

    Args:
        level: Least level shown.
        style: ``auto`` is text on a terminal, else JSON.
    """
    is_text = style == "text" or (style == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler()
    handler.setFormatter(TextFormatter() if is_text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "urllib3", "botocore", "pymongo", "watchfiles"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

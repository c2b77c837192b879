"""One small HTTP question, with a short patience."""

from collections.abc import Mapping
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import HTTPError

_POOL = urllib3.PoolManager(retries=False, maxsize=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body."""

    status: int
    body: bytes


def ask(
    url: str, *, headers: Mapping[str, str] | None = None, seconds: float = 2.0
) -> Answer | None:
    """GET ``url``.

    Returns:
        ``None`` when nobody answers.
    """
    try:
        answer = _POOL.request(
            "GET",
            url,
            headers={**(headers or {}), "Connection": "close"},
            timeout=urllib3.Timeout(total=seconds),
            redirect=False,
        )
    except (HTTPError, ValueError):
        return None
    return Answer(answer.status, answer.data)

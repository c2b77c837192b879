"""Reads access logs: what S3 and CloudFront say was fetched.

Amazon S3 User Guide, "Amazon S3 server access log format"; CloudFront Developer Guide,
"Standard log file fields" (tab-separated W3C, as v1 writes it; real-time logs with a
header are read, too). Pure functions: nothing here opens a file.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, unquote

from catalog.models.ids import ObjectKey
from catalog.storage.base import ObjectStore

_WHOLE, _PART = 200, 206
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905
_TIME = re.compile(
    r"(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})\Z",
    re.ASCII,
)
_S3 = re.compile(
    r"\S+ (?P<bucket>\S+) \[(?P<time>[^\]]*)\] (?P<ip>\S+) (?P<requester>\S+) "
    r"(?P<id>\S+) (?P<operation>\S+) (?P<key>\S+) (?:\"(?P<uri>[^\"]*)\"|-) "
    r"(?P<status>\d{3}|-) \S+ (?P<sent>\S+) (?P<size>\S+) \S+ \S+ (?P<rest>.*)"
)
_S3_FETCHES = frozenset({"REST.GET.OBJECT", "WEBSITE.GET.OBJECT"})
_AUTHENTICATION = 4
"""Place of the authentication type among what follows the program: version, host id,
signature, cipher, authentication."""
_CLOUDFRONT_AGENT = "Amazon CloudFront"
_CLOUDFRONT_FIELDS = [
    "date",
    "time",
    "x-edge-location",
    "sc-bytes",
    "c-ip",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "sc-status",
    "cs(Referer)",
    "cs(User-Agent)",
    "cs-uri-query",
    "cs(Cookie)",
    "x-edge-result-type",
    "x-edge-request-id",
    "x-host-header",
    "cs-protocol",
    "cs-bytes",
    "time-taken",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-response-result-type",
    "cs-protocol-version",
    "fle-status",
    "fle-encrypted-fields",
    "c-port",
    "time-to-first-byte",
    "x-edge-detailed-result-type",
    "sc-content-type",
    "sc-content-len",
    "sc-range-start",
    "sc-range-end",
]
_CLOUDFRONT_LEAST = 15
_CLOUDFRONT_REFUSED = frozenset({"Error", "LimitExceeded", "CapacityExceeded"})


@dataclass(frozen=True, slots=True)
class LogSource:
    """Where access logs lie: all objects of a store under a prefix."""

    store: ObjectStore
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class LoggedFetch:
    """A line of a log that tells of a file's bytes being sent whole, or of a part.

    Attributes:
        kind: ``s3`` or ``cloudfront``.
        at: When; aware.
        request_id: Names the request; empty where the log does not.
        bucket: Whose bucket it was; ``None`` in logs of a CDN.
        keys: Spellings of the key, the likeliest first: logs encode it once or twice.
        client: What tells clients apart: address, requester, program.
        is_part: Whether a range was asked for.
        is_download: Whether it was to be saved; else it was to be shown.
    """

    kind: str
    at: datetime
    request_id: str
    bucket: str | None
    keys: tuple[ObjectKey, ...]
    client: str
    is_part: bool
    is_download: bool


@dataclass(slots=True)
class Tally:
    """How many lines were read: of fetches, of other things, and not understood."""

    fetches: int = 0
    others: int = 0
    malformed: int = 0

    @property
    def lines(self) -> int:
        """All lines but comments and empty ones."""
        return self.fetches + self.others + self.malformed


def read_log(lines: Iterable[str], tally: Tally) -> Iterator[LoggedFetch]:
    """Read the lines of one file, of whichever of the two forms they are.

    Args:
        lines: Without their ends.
        tally: Counted up while this is read.

    Yields:
        What was fetched; everything else is only counted.
    """
    fields = _CLOUDFRONT_FIELDS
    for line in lines:
        if line.startswith("#"):
            name, _, value = line.partition(":")
            if name == "#Fields":
                fields = value.split()
            continue
        if not line.strip():
            continue
        try:
            found = _cloudfront(line, fields) if "\t" in line else _s3(line)
        except (ValueError, OverflowError):
            tally.malformed += 1
            continue
        if found is None:
            tally.others += 1
        else:
            tally.fetches += 1
            yield found


def _s3(line: str) -> LoggedFetch | None:
    match = _S3.match(line)
    if match is None:
        raise ValueError(line)
    at = _time(match["time"])
    if match["operation"] not in _S3_FETCHES or match["key"] == "-":
        return None
    # A program may say of itself what it likes, quotes included: they are not escaped.
    said, _, rest = match["rest"].rpartition('"')
    agent = said.partition('" "')[2]
    facts = rest.split()
    authentication = facts[_AUTHENTICATION] if len(facts) > _AUTHENTICATION else "-"
    # Programs with credentials of their own (our workers, a CDN's origin requests) are
    # no readers: links are signed in the query, or need no signature.
    if authentication == "AuthHeader" or agent == _CLOUDFRONT_AGENT:
        return None
    status = match["status"]
    sent, size = _number(match["sent"]), _number(match["size"])
    if not sent or not _is_served(status, sent, size):
        return None
    query = (match["uri"] or "").partition("?")[2].partition(" ")[0]
    request_id = "" if match["id"] == "-" else match["id"]
    return LoggedFetch(
        kind="s3",
        at=at,
        request_id=request_id,
        bucket=match["bucket"],
        keys=_spellings(match["key"]),
        client=f"{match['ip']} {match['requester']} {agent}",
        is_part=int(status) == _PART,
        is_download=_is_saved(query),
    )


def _cloudfront(line: str, fields: list[str]) -> LoggedFetch | None:
    values = line.split("\t")
    if len(values) < min(_CLOUDFRONT_LEAST, len(fields)):
        raise ValueError(line)
    # Newer logs have further fields at the end, older ones fewer.
    told = dict(zip(fields, values, strict=False))
    at = _cloudfront_time(told)
    stem, _, query = told["cs-uri-stem"].partition("?")
    refused = {told.get("x-edge-result-type"), told.get("x-edge-response-result-type")}
    if told["cs-method"] != "GET" or refused & _CLOUDFRONT_REFUSED:
        return None
    sent, size = _number(told["sc-bytes"]), _number(told.get("sc-content-len", "-"))
    if not _is_served(told["sc-status"], sent or 0, size) or len(stem) < 2:  # noqa: PLR2004
        return None
    asked = told.get("cs-uri-query", "-")
    agent = told.get("cs(User-Agent)") or told.get("cs-user-agent", "")
    request_id = told.get("x-edge-request-id", "-")
    return LoggedFetch(
        kind="cloudfront",
        at=at,
        request_id="" if request_id == "-" else request_id,
        bucket=None,
        keys=_spellings(stem.removeprefix("/")),
        client=f"{told['c-ip']} {agent}",
        is_part=int(told["sc-status"]) == _PART,
        is_download=_is_saved(query if asked == "-" else asked),
    )


def _is_served(status: str, sent: int, size: int | None) -> bool:
    """Tell whether what was asked for arrived; of a range the log does not say so.

    What broke off is no fetch: whoever goes on with it asks for a range.
    """
    if status == str(_PART):
        return sent > 0
    return status == str(_WHOLE) and sent >= (size or 1)


def _is_saved(query: str) -> bool:
    """Our links say so to the store; without a word of it a file is saved."""
    try:
        told = parse_qs(query, max_num_fields=100)
    except ValueError:
        return True
    asked = told.get("response-content-disposition", [""])[0]
    return not unquote(asked).strip().lower().startswith("inline")


def _spellings(key: str) -> tuple[ObjectKey, ...]:
    once = unquote(key)
    found = dict.fromkeys((unquote(once), once, key))
    return tuple(ObjectKey(one) for one in found)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _time(text: str) -> datetime:
    match = _TIME.match(text)
    if match is None:
        raise ValueError(text)
    day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return datetime(
        int(year),
        _MONTHS.index(month) + 1,
        int(day),
        int(hour),
        int(minute),
        int(second),
        tzinfo=timezone(-offset if sign == "-" else offset),
    ).astimezone(UTC)


def _cloudfront_time(told: Mapping[str, str]) -> datetime:
    if "timestamp" in told:  # seconds, with a fraction
        return datetime.fromtimestamp(float(told["timestamp"]), UTC)
    missing = {"date", "time", "cs-method", "cs-uri-stem", "sc-status", "c-ip"}
    missing -= told.keys()
    if missing:
        raise ValueError(", ".join(sorted(missing)))
    return datetime.fromisoformat(f"{told['date']}T{told['time']}").replace(tzinfo=UTC)

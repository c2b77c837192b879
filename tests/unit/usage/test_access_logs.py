import gzip
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog.access_logs import LoggedFetch, Tally, read_log
from indexer import usage_logs
from indexer.usage_logs import UnreadableLogError, mark_of
from tests.unit.usage.logs import HEADER, cdn_line, s3_line

NOON = datetime(2025, 12, 1, 12, tzinfo=UTC)
KEY = "loras/ann/l1/v1/model.safetensors"


def read(text: str) -> tuple[list[LoggedFetch], Tally]:
    tally = Tally()
    return list(read_log(text.split("\n"), tally)), tally


def test_a_line_of_s3_says_who_got_what_and_when() -> None:
    [found], tally = read(s3_line(1, KEY, NOON))

    assert found.keys == (KEY,)
    assert found.at == NOON
    assert found.request_id == "ID00000000000001"
    assert found.bucket == "content-generation-assets"
    assert "192.0.2.3" in found.client
    assert "curl/8" in found.client
    assert not found.is_part
    assert found.is_download
    assert tally == Tally(fetches=1)


@pytest.mark.parametrize(
    "line",
    [
        s3_line(1, KEY, NOON, operation="REST.HEAD.OBJECT"),
        s3_line(1, KEY, NOON, operation="REST.PUT.OBJECT"),
        s3_line(1, KEY, NOON, status=304, sent="-"),
        s3_line(1, KEY, NOON, status=404, sent="300", size="-"),
        s3_line(1, KEY, NOON, sent="60"),  # broke off
        s3_line(1, KEY, NOON, authentication="AuthHeader"),  # our own workers
        s3_line(1, KEY, NOON, agent="Amazon CloudFront", authentication="-"),
        HEADER + cdn_line(1, KEY, NOON, method="HEAD"),
        HEADER + cdn_line(1, KEY, NOON, status="304"),
        HEADER + cdn_line(1, KEY, NOON, status="000"),
        HEADER + cdn_line(1, KEY, NOON, result="Error"),
        HEADER + cdn_line(1, KEY, NOON, sent=50),  # broke off
        HEADER + cdn_line(1, "", NOON),
    ],
)
def test_what_is_no_fetch_is_passed_over(line: str) -> None:
    found, tally = read(line)

    assert not found
    assert tally == Tally(others=1)


def test_what_was_to_be_shown_is_no_download() -> None:
    inline = "response-content-disposition=inline%3B%20filename%3Dx&X-Amz-Expires=1"
    saved = "response-content-disposition=attachment%3B%20filename%3Dinline"

    found, _ = read("\n".join(s3_line(1, KEY, NOON, query=q) for q in (inline, saved)))

    assert [one.is_download for one in found] == [False, True]


def test_keys_are_spelt_in_every_way_that_logs_encode_them() -> None:
    twice, _ = read(s3_line(1, "a%2520b%252Fc.png", NOON))
    once, _ = read(HEADER + cdn_line(1, "a%20b/%C3%A9.png", NOON))

    assert twice[0].keys[0] == "a b/c.png"
    assert once[0].keys[0] == "a b/é.png"


def test_programs_that_call_themselves_anything_deceive_nobody() -> None:
    agent = '" - x SigV4 ECDHE QueryString "quo"ted'
    ours, _ = read(s3_line(1, KEY, NOON, agent=agent, authentication="AuthHeader"))
    theirs, _ = read(s3_line(1, KEY, NOON, agent=agent))

    assert not ours
    assert len(theirs) == 1


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "a\tb\tc",
        s3_line(1, KEY, NOON).replace("Dec", "Dez"),
        s3_line(1, KEY, NOON).replace("[01", "[41"),
        HEADER + cdn_line(1, KEY, NOON).replace("2025-12-01", "2025-13-01"),
        "#Fields: a b\n" + cdn_line(1, KEY, NOON),
        "#Fields: timestamp sc-status\n1e999\t200",
        "\ud800\0",
    ],
)
def test_what_cannot_be_read_is_counted_and_harms_nothing(line: str) -> None:
    found, tally = read(line + "\n" + s3_line(2, KEY, NOON))

    assert len(found) == 1
    assert tally.malformed == 1


def test_a_hostile_line_is_read_in_no_time() -> None:
    line = s3_line(1, KEY, NOON, agent='" 200 - 1 1 1 1 "' * 4000)
    started = time.perf_counter()

    read(line)

    assert time.perf_counter() - started < 1


def test_all_ranges_of_a_client_a_file_and_a_day_are_one_fetch() -> None:
    def mark(number: int, **facts: str) -> bytes:
        line = s3_line(number, facts.pop("key", KEY), NOON, status=206, **facts)
        return mark_of(read(line)[0][0])

    assert mark(1) == mark(2) == mark(3, sent="7")
    assert len({mark(1), mark(2, ip="192.0.2.4"), mark(3, key=KEY + "x")}) == 3
    requests = [mark_of(read(s3_line(n, KEY, NOON))[0][0]) for n in (1, 2, 2)]
    assert len(set(requests)) == 2


def pieces(content: bytes, size: int) -> list[str]:
    cut = (content[start : start + size] for start in range(0, len(content), size))
    return list(usage_logs._lines(cut))  # noqa: SLF001  (its edges)


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_packed_files_of_several_members_are_unpacked(size: int) -> None:
    lines = [s3_line(n, KEY, NOON) for n in range(300)]
    first, second = "\n".join(lines[:100]) + "\n", "\n".join(lines[100:])
    packed = gzip.compress(first.encode()) + gzip.compress(second.encode())

    assert pieces(packed + b"\0" * 20, size) == lines
    assert pieces((first + second).encode(), size) == lines


def test_a_bomb_is_unpacked_bit_by_bit() -> None:
    lines = pieces(gzip.compress(b"x" * 50_000_000), 10_000)

    assert all(len(line) <= 2 * 1024 * 1024 for line in lines)


def test_broken_files_say_so_after_what_could_be_read() -> None:
    packed = gzip.compress("\n".join(s3_line(n, KEY, NOON) for n in range(9)).encode())
    for broken in (packed[:-12], packed[:40] + b"!!!!" + packed[44:], packed[:20]):
        with pytest.raises(UnreadableLogError):
            pieces(broken, 50)


@pytest.mark.data
def test_published_samples_are_read(shared_data: Path) -> None:
    found = {}
    for file in sorted((shared_data / "s3" / "logs").iterdir()):
        fetches, tally = read(file.read_text())
        found[file.name] = ([one.keys[0] for one in fetches], tally)

    assert found == {
        "cloudfront-kinesis-1-0.txt": (["i"], Tally(fetches=1)),
        "cloudfront-short-lines.txt": (
            ["content/sample/thing.pdf", "index.html"],
            Tally(fetches=2),
        ),
        "cloudfront-web-1-0-2019-12.txt": (["index.html"] * 3, Tally(fetches=3)),
        "cloudfront-web-1-0.txt": (["view/my/file.html"], Tally(fetches=1, others=1)),
        "s3-access.log": ([], Tally(others=3)),
    }

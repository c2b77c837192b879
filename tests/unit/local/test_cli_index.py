"""What the commands ask of the indexer, and what they say."""

import argparse
import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from catalog import cli_index
from catalog.cli_index import NobodyLeadsError, ask
from catalog.errors import ConflictError, NotFoundError
from catalog.repositories.index_control import SweepOutcome, SweepRecord
from catalog.repositories.index_state import (
    DeadLetter,
    Generation,
    GenerationState,
    RequestState,
)
from tests.fakes.catalog import NOW, FakeParts, index_status

LETTER = DeadLetter(
    root=("jobs", 1),
    stage="index",
    error="Field `width` must be an int64.",
    attempts=3,
    first_seen_at=NOW - timedelta(hours=1),
    last_seen_at=NOW,
    job_id="job-1",
    letter_id="ab" * 16,
)
SWEEP = SweepRecord(
    "rescan",
    1200,
    "lists the whole store",
    next_run_at=NOW + timedelta(minutes=20),
    last_started_at=NOW,
    outcome=SweepOutcome.FAILED,
    detail="The store does not answer.",
)


class Leader:
    """The clock's waiting is when the indexer does what it is asked."""

    def __init__(self, parts: FakeParts, outcome: str, *, is_done: bool = True) -> None:
        self.parts = parts
        self.outcome = outcome
        self.state = RequestState.DONE if is_done else RequestState.FAILED
        self.told: list[str] = []

    def tell(self, text: str) -> None:
        """Work while somebody looks on: the first word is not the last."""
        self.told.append(text)
        for request in self.parts.index_requests.open():
            self.parts.index_requests.update(
                replace(request, state=self.state, outcome=self.outcome)
            )


@pytest.fixture
def parts() -> FakeParts:
    made = FakeParts()
    made.index_status.status = index_status(
        building=2, done=1_200, total=5_000, rate=400.0, eta_seconds=9.5
    )
    return made


def quiet(_text: str) -> None:
    """Nobody looks on."""


def test_without_waiting_it_is_asked_for_and_no_more(parts: FakeParts) -> None:
    asked = ask(parts.catalog(), lambda admin: admin.reindex(), wait=False, tell=quiet)

    assert not asked.has_failed
    assert asked.as_json() == {
        "requestId": asked.request.request_id,
        "action": "reindex",
        "state": "waiting",
        "outcome": None,
    }
    assert list(parts.index_requests.records) == [asked.request.request_id]


def test_waiting_tells_how_far_it_is_and_what_came_of_it(parts: FakeParts) -> None:
    leader = Leader(parts, "Generation 2 serves.")

    asked = ask(
        parts.catalog(), lambda admin: admin.reindex(), wait=True, tell=leader.tell
    )

    assert leader.told == ["generation 2: 1,200 of 5,000 jobs, 400/s, 10 s left"]
    assert asked.request.outcome == "Generation 2 serves."
    assert not asked.has_failed


def test_what_was_tried_in_vain_has_failed(parts: FakeParts) -> None:
    leader = Leader(parts, "It differs from the read model.", is_done=False)

    asked = ask(
        parts.catalog(), lambda admin: admin.reindex(), wait=True, tell=leader.tell
    )

    assert asked.has_failed
    assert asked.as_json()["state"] == "failed"


@pytest.mark.parametrize("has_beaten", [True, False])
def test_nobody_waits_for_an_indexer_that_is_not_there(
    has_beaten: bool,  # noqa: FBT001  (a case)
    parts: FakeParts,
) -> None:
    parts.index_status.status = index_status() if has_beaten else None

    with pytest.raises(NobodyLeadsError, match="once one runs"):
        ask(parts.catalog(), lambda admin: admin.reindex(), wait=True, tell=quiet)

    assert len(parts.index_requests.open()) == 1  # done once one runs
    waited = (parts.clock.now() - NOW).total_seconds()
    assert waited <= cli_index.SILENT_SECONDS + 1


def test_asked_for_twice_it_is_one_request(parts: FakeParts) -> None:
    catalog = parts.catalog()

    first = ask(catalog, lambda admin: admin.reindex(), wait=False, tell=quiet)
    second = ask(catalog, lambda admin: admin.reindex(), wait=False, tell=quiet)

    assert second.request.request_id == first.request.request_id


def test_a_build_that_runs_already_is_waited_for(parts: FakeParts) -> None:
    building = Generation(2, "schema", GenerationState.BACKFILLING, started_at=NOW)
    parts.generations.save(building)

    def serve(_progress: str) -> None:
        served = replace(building, state=GenerationState.SERVING, served_at=NOW)
        parts.generations.save(served)

    asked = ask(parts.catalog(), lambda admin: admin.reindex(), wait=True, tell=serve)

    assert asked.request.state is RequestState.DONE
    assert parts.index_requests.records == {}


def test_what_is_not_there_is_not_asked_for(parts: FakeParts) -> None:
    catalog = parts.catalog()

    with pytest.raises(NotFoundError, match="sweep 'dust'"):
        ask(catalog, lambda admin: admin.run_sweep("dust"), wait=False, tell=quiet)
    with pytest.raises(NotFoundError, match="dead letter"):
        ask(catalog, lambda admin: admin.redrive_one("00"), wait=False, tell=quiet)
    with pytest.raises(ConflictError, match="no generation to go back to"):
        ask(catalog, lambda admin: admin.rollback(), wait=False, tell=quiet)

    assert parts.index_requests.records == {}


def test_kinds_are_read_and_unknown_ones_named() -> None:
    assert cli_index.kinds("index, storage") == ("index", "storage")
    assert cli_index.kinds("") == ("index", "record", "storage")
    with pytest.raises(argparse.ArgumentTypeError, match="'disk' is not one of"):
        cli_index.kinds("index,disk")


def test_progress_is_silent_while_nothing_is_built() -> None:
    assert cli_index.progress(index_status()) == ""
    assert cli_index.progress(index_status(building=3, done=0, total=7)) == (
        "generation 3: 0 of 7 jobs"
    )


def shown(width: int = 160) -> tuple[io.StringIO, Console]:
    text = io.StringIO()
    return text, Console(file=text, width=width)


def test_the_schedule_shows_when_and_how_it_went() -> None:
    text, console = shown()

    cli_index.render_schedule(
        (SWEEP, SweepRecord("reindex", 0, "builds anew", is_running=True)), console
    )

    first, second = text.getvalue().splitlines()[1:]
    for word in ("rescan", "20 min", "12-01 12:00:00", "12-01 12:20:00"):
        assert word in first
    assert "failed: The store does not answer." in first
    assert "asked for" in second
    assert "running" in second


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(300, "5 min"), (3600, "1 h"), (172_800, "2 d"), (90, "90 s"), (0, "asked for")],
)
def test_a_period_is_shown_in_its_own_unit(seconds: float, text: str) -> None:
    out, console = shown()

    cli_index.render_schedule((SweepRecord("x", seconds, ""),), console)

    assert text in out.getvalue()


def test_what_an_outcome_says_is_no_markup() -> None:
    text, console = shown()

    cli_index.render_schedule((replace(SWEEP, detail="[/b] [red]x"),), console)

    assert "failed: [/b] [red]x" in text.getvalue()


def test_the_schedule_in_json() -> None:
    told = cli_index.sweep_json(SWEEP)

    assert told == {
        "name": "rescan",
        "everySeconds": 1200,
        "description": "lists the whole store",
        "nextRunAt": "2025-12-01T12:20:00Z",
        "lastStartedAt": "2025-12-01T12:00:00Z",
        "lastFinishedAt": None,
        "outcome": "failed",
        "detail": "The store does not answer.",
        "isRunning": False,
        "runs": 0,
    }


def test_dead_letters_show_what_is_needed_to_redrive_them(parts: FakeParts) -> None:
    parts.dead_letters.letters = [LETTER, replace(LETTER, stage="read", job_id=None)]
    text, console = shown()

    found = cli_index.letters(parts.catalog(), "index", 10)
    cli_index.render_letters(found, console)

    assert found == (LETTER,)
    for word in (LETTER.letter_id, "job-1", "index", "3", LETTER.error):
        assert word in text.getvalue()
    assert cli_index.letter_json(LETTER)["firstSeenAt"] == "2025-12-01T11:00:00Z"


def test_markup_in_an_error_is_shown_as_it_is() -> None:
    text, console = shown()

    cli_index.render_letters((replace(LETTER, error="[red]a[/b] [x"),), console)

    assert "[red]a[/b] [x" in text.getvalue()


def test_where_nothing_is_dead_that_is_said() -> None:
    text, console = shown()

    cli_index.render_letters((), console)

    assert "No dead letters." in text.getvalue()

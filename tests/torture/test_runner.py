"""The runner's books: what is done is not done again, and the table adds it up."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.torture.ledger import Entry, Ledger, done_seeds, folded, open_seeds, table
from tests.torture.outcome import Outcome, Violation
from tests.torture.rows import BY_NAME, ROWS, Row, many

DONE = Entry(
    row="row",
    seed=1,
    date="2025-11-22",
    seconds=3.0,
    count=5,
    settle_seconds=1.25,
    commit="abc",
    code="c1",
    figures={"operations": 10, "writes per second": 250},
)


def _row(wanted: int = 20) -> Row:
    return Row("row", "does it", "kills", wanted, lambda _seed, _folder: Outcome(5))


def test_what_this_code_has_done_is_not_done_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(DONE)
    ledger.append(replace(DONE, seed=2, failure="Violation: lost"))
    ledger.append(replace(DONE, seed=3, code="c0"))

    done = done_seeds(ledger.entries(), "row", "c1")

    assert done == {1}


def test_a_line_that_a_crash_cut_off_is_passed_over(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(DONE)
    with (tmp_path / "ledger.jsonl").open("a") as out:
        out.write('{"row": "row", "se')

    assert ledger.entries() == [DONE]


def test_another_machine_goes_on_from_what_was_committed(tmp_path: Path) -> None:
    committed = tmp_path / "torture.jsonl"
    ledger = Ledger(tmp_path / "here", committed)
    for seed in (1, 2, 3, 5):
        ledger.append(replace(DONE, seed=seed))
    ledger.append(replace(DONE, seed=6, failure="Violation: lost", count=0))
    ledger.commit()
    again = Ledger(tmp_path / "here", committed).entries()

    elsewhere = Ledger(tmp_path / "elsewhere", committed).entries()

    assert len(committed.read_text().splitlines()) == 3
    assert done_seeds(elsewhere, "row", "c1") == {1, 2, 3, 5}
    assert again == elsewhere == folded(ledger.entries())
    assert table([_row()], elsewhere, "c1") == table(
        [_row()], Ledger(tmp_path / "here").entries(), "c1"
    )


def test_the_table_adds_up_and_keeps_failures_in_sight() -> None:
    failed = replace(DONE, seed=7, failure="Violation: lost", count=0)
    mended = replace(DONE, seed=7, date="2025-11-24", commit="def", settle_seconds=2.0)
    older = replace(DONE, seed=3, code="c0", settle_seconds=9.0)
    last = replace(failed, seed=9)
    entries = [older, DONE, replace(DONE, seed=2), failed, mended, last]

    page = table([_row()], entries, "c1")

    assert (
        "| row | does it | 20 | 2 (1 open) | 20 kills | 15 | 2.0 s | 1..2, 7 "
        "| 2025-11-22 to 2025-11-24 | abc, def |"
    ) in page
    assert "operations 30, writes per second 250" in page
    assert open_seeds(entries) == [9]


def test_every_row_of_the_issue_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(ROWS)
    assert {"kill-indexer", "rebuild", "poison", "simulation"} <= BY_NAME.keys()


def test_a_simulation_says_which_of_its_seeds_failed(tmp_path: Path) -> None:
    def simulate(seed: int) -> None:
        if seed == 27:
            raise ValueError

    run = many(simulate, 10)

    assert run(1, tmp_path).count == 10
    with pytest.raises(Violation, match="inner seed 27"):
        run(2, tmp_path)

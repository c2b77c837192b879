"""The change stream cannot go on; the index still comes to equal the record."""

from pathlib import Path

import pytest

from tests.torture.history import ALL, history_lost


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_history_lost_in_every_way_is_noticed_and_repaired(
    seed: int, folder: Path
) -> None:
    outcome = history_lost(seed, folder)

    assert {way.__name__ for way in ALL} <= outcome.figures.keys()

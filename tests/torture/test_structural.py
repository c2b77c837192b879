"""Whole sets of records come and go; the index follows."""

from pathlib import Path

import pytest

from tests.torture.structural import ALL, structural


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_every_structural_change_reaches_the_index(seed: int, folder: Path) -> None:
    outcome = structural(seed, folder)

    assert {way.__name__ for way in ALL} <= outcome.figures.keys()

"""The indexer is killed again and again; the index still equals the record."""

from pathlib import Path

import pytest

from tests.torture.kills import kill_indexer
from tests.torture.world import SETTLE_SECONDS


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_ten_kills_of_the_indexer_under_writes_lose_nothing(
    seed: int, folder: Path
) -> None:
    outcome = kill_indexer(seed, folder, kills=10)

    assert outcome.count == 10
    assert outcome.settle_seconds <= SETTLE_SECONDS

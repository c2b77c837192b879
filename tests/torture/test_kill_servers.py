"""What the indexer writes to and reads from is killed; it goes on by itself."""

from pathlib import Path

import pytest

from tests.torture.kills import kill_mongod, kill_typesense
from tests.torture.world import SETTLE_SECONDS


@pytest.mark.alone
@pytest.mark.timeout(200)
def test_three_kills_of_typesense_under_writes_lose_nothing(
    seed: int, folder: Path
) -> None:
    outcome = kill_typesense(seed, folder, kills=3)

    assert outcome.count == 3
    assert outcome.settle_seconds <= SETTLE_SECONDS


@pytest.mark.alone
@pytest.mark.timeout(200)
def test_two_kills_of_mongodb_under_writes_lose_nothing(
    seed: int, folder: Path
) -> None:
    outcome = kill_mongod(seed, folder, kills=2)

    assert outcome.count == 2
    assert outcome.settle_seconds <= SETTLE_SECONDS

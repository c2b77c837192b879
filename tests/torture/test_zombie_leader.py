"""Leaders that sleep through their lease; the long editions run in ``make torture``."""

from pathlib import Path

import pytest

from tests.torture.world import SETTLE_SECONDS
from tests.torture.zombies import zombie_leader


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_five_leaders_that_wake_up_too_late_spoil_nothing(
    seed: int, folder: Path
) -> None:
    outcome = zombie_leader(seed, folder, handovers=5)

    assert outcome.count == 5
    assert outcome.settle_seconds <= SETTLE_SECONDS

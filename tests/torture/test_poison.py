"""Bad records and files harm nobody but themselves."""

from pathlib import Path

import pytest

from tests.torture.poisoned import poison


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_poison_alone_and_in_live_traffic_harms_nobody_else(
    seed: int, folder: Path
) -> None:
    outcome = poison(seed, folder, documents=60)

    assert outcome.count >= 60 + 40
    assert outcome.figures["poison"] > outcome.count

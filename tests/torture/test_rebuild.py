"""The index is built anew while everything goes on, and nobody notices."""

from pathlib import Path

import pytest

from tests.torture.rebuild import MOMENTS, rebuild


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_rebuilds_killed_in_every_state_lose_nothing_and_fail_no_search(
    seed: int, folder: Path
) -> None:
    outcome = rebuild(seed - seed % len(MOMENTS), folder, rebuilds=5)

    killed = {name for name in outcome.figures if name.startswith("killed")}
    assert killed == {f"killed {moment}" for moment in MOMENTS[:5]}
    assert outcome.figures["searches"] > 500

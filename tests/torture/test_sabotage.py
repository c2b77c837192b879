"""Every known bug, put back, is caught; without it all is well."""

import pytest

from tests.torture.sabotage import SABOTAGES, caught_by
from tests.torture.scenarios import SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_directed_scenario_ends_well(name: str) -> None:
    SCENARIOS[name]()


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_known_bug_is_caught(name: str) -> None:
    assert caught_by(SABOTAGES[name]) is not None, f"nothing caught: {name}"

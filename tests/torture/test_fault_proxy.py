"""Connections break in every way; nothing is lost by it."""

from pathlib import Path

import pytest

from tests.torture.faults import fault_proxy
from tests.torture.proxy import Fault


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_two_hundred_faults_on_both_connections_lose_nothing(
    seed: int, folder: Path
) -> None:
    outcome = fault_proxy(seed, folder, faults=200)

    assert outcome.count >= 200
    assert all(outcome.figures[fault.value] > 0 for fault in Fault)

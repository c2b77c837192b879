"""One filled catalog for all tests that only look."""

import pytest

from tests.unit.demo.filled import Demo


@pytest.fixture(scope="session")
def demo() -> Demo:
    return Demo()

"""What the small editions share: a seed that can be repeated, and a folder."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def seed() -> int:
    """Draw everything from this; ``CATALOG_TEST_SEED`` sets it, a failure shows it."""
    found = int(os.environ.get("CATALOG_TEST_SEED", "20251122"))
    print(f"CATALOG_TEST_SEED={found}")  # noqa: T201  (shown with a failure)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "world"

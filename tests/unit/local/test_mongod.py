import pytest

from catalog.local import mongod


@pytest.mark.parametrize(
    ("memory_gb", "cache_gb"), [(1, 1.0), (8, 1.0), (12, 1.5), (24, 3.0), (256, 4.0)]
)
def test_the_cache_grows_with_the_machine_within_bounds(
    memory_gb: int, cache_gb: float
) -> None:
    assert mongod.cache_gb(memory_gb * 2**30) == cache_gb

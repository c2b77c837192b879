"""What keeping bytes costs: a price table by storage class, and nothing else."""

from collections.abc import Mapping

GIB = 2**30
"""Bytes of a GB as Amazon S3 bills it ("1 GB = 2^30 bytes", S3 pricing)."""

STANDARD = "STANDARD"

_DIGITS = 6
"""A picture of 2 MB costs $0.000043 a month: cents would show nothing."""


def monthly_cost(
    size_bytes: int, prices: Mapping[str, float], storage_class: str = STANDARD
) -> float:
    """Tell what keeping bytes costs in a month, in dollars.

    Args:
        size_bytes: How many.
        prices: Dollars per GB (2^30 bytes) and month, by storage class.
        storage_class: Where they lie; an unknown one costs what ``STANDARD`` does.
    """
    price = prices.get(storage_class, prices.get(STANDARD, 0.0))
    return round(size_bytes / GIB * price, _DIGITS)

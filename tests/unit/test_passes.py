"""``make test`` runs two passes and must not hide what either of them said."""

import pytest

from tests.__main__ import verdict

EMPTY = 5


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([0, 0], 0),
        ([1, 0], 1),
        ([0, 1], 1),
        ([2, 1], 2),
        ([EMPTY, 0], 0),
        ([0, EMPTY], 0),
        ([EMPTY, 1], 1),
        ([EMPTY, EMPTY], EMPTY),
    ],
)
def test_a_failure_of_either_pass_is_one_of_the_whole(
    codes: list[int], expected: int
) -> None:
    assert verdict(codes) == expected

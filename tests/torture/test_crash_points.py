"""A crash at every step of every operation loses nothing, nor does another one then."""

import os
import random

import pytest

from tests.torture.crash_points import OPERATIONS, CrashPoints

IS_FULL = os.environ.get("CATALOG_TORTURE") == "full"
_SECONDS = 60
"""Second crashes that are drawn for each operation; in full all are made."""

STEPS = {
    *("read", "scan", "orphans", "roots_of_changes", "rows_with_tag"),
    *("objects.settle", "extractions.record"),
    *("assets.rows", "assets.replace", "assets.delete"),
    *("assets.proofs", "assets.tag_uses"),
    *("upsert", "upsert answered", "delete", "delete_older", "count", "barrier"),
    *("create", "drop", "point", "export"),
    *("save", "feed.current", "feed.open", "next_batch"),
    *("dirty.mark", "dirty.due", "dirty.clear"),
    *("letters.record", "letters.clear"),
    *("requests.open", "requests.update"),
}
"""Every step that can be interrupted."""

_seen: set[str] = set()


@pytest.mark.timeout(3600 if IS_FULL else 120)
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_crash_at_every_step_and_in_the_recovery_loses_nothing(
    name: str, seed: int
) -> None:
    points = CrashPoints(name)
    recoveries = points.all_first()

    pairs = list(points.seconds(recoveries))
    if not IS_FULL:
        pairs = random.Random(f"{seed} {name}").sample(pairs, _SECONDS)
    for first, second in pairs:
        points.crash(first, second)
    _seen.update(points.coverage.steps)

    assert points.coverage.first == points.steps > 20
    assert points.coverage.second == len(pairs)


def test_every_step_is_among_those_that_were_interrupted() -> None:
    """The tests above have shown most; what they did not run is run here."""
    for name in OPERATIONS:
        if _seen >= STEPS:
            break
        points = CrashPoints(name)
        points.all_first()
        _seen.update(points.coverage.steps)

    assert STEPS - _seen == set()

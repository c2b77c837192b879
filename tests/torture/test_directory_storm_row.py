"""The row of the torture table; ``test_directory_storm`` looks at the parts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.listing import Comparison, Difference, Kind
from tests.torture.directory_storm import directory_storm
from tests.torture.outcome import Violation


def test_a_small_storm_leaves_nothing_out(seed: int, folder: Path) -> None:
    outcome = directory_storm(seed, folder, files=1_000)

    assert outcome.figures["files"] >= 1_000


@pytest.mark.parametrize("kind", [Kind.NEW, Kind.GONE])
def test_a_rescan_that_overlooks_is_caught(
    kind: Kind, seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Comparison.__iter__

    def blind(self: Comparison) -> Iterator[Difference]:
        return (one for one in honest(self) if one.kind is not kind)

    monkeypatch.setattr(Comparison, "__iter__", blind)

    with pytest.raises(Violation):
        for turn in range(5):
            directory_storm(seed + turn, folder / str(turn), files=500)

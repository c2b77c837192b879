"""Row ``directory-storm``: the storms of ``test_directory_storm`` at full size."""

import random
from pathlib import Path
from typing import Any

import pymongo

from tests.servers import running_mongod
from tests.torture.outcome import Outcome, Violation
from tests.torture.test_directory_storm import Site, Storm, followed

FILES = 20_000


def directory_storm(seed: int, folder: Path, *, files: int = FILES) -> Outcome:
    """Blow over a directory while hints are followed; one rescan must know all."""
    root = folder / "storage"
    root.mkdir(parents=True)
    with (
        running_mongod() as uri,
        pymongo.MongoClient[dict[str, Any]](uri, tz_aware=True) as client,
    ):
        site = Site(root, client["storm"])
        storm = Storm(root, random.Random(seed))
        with followed(site):
            storm.blow(files // 2)
            site.intake.rescan()
            storm.blow(files)
        site.intake.rescan()
        recorded, stored = site.recorded(), site.stored()
        if recorded != stored:
            wrong = {k for k in recorded | stored if recorded.get(k) != stored.get(k)}
            message = f"{len(wrong)} objects differ: {sorted(wrong)[:10]}"
            raise Violation(message)
        return Outcome(1, figures={"files": float(len(stored))})

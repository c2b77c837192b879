"""How fast a live rebuild and a full reconcile are, on an index that serves."""

import time
from datetime import UTC, datetime
from uuid import uuid4

from bench.report import Figure, say
from bench.world import Record, World, until

_RECONCILED = 200_000
"""Documents that the bound on reconciling is about."""

REBUILD_SHARE = 0.6
RECONCILE_SECONDS = 20.0


def repair(world: World, raw_per_second: float) -> list[Figure]:
    """Rebuild beside the serving generation, then compare everything.

    Args:
        world: With an indexer that serves and idles.
        raw_per_second: Documents a raw bulk import brings in.
    """
    documents = sum(world.status()["documents"].values())
    _ask(world, "reindex")
    rebuild = _phase_seconds(world)
    rate = documents / rebuild
    say(f"rebuilt {documents} documents in {rebuild:.1f} s")
    index = _ask(world, "reconcile", kinds=["index"])
    record = _ask(world, "reconcile", kinds=["record"])
    drift = sum(
        sum(report["differences"].values())
        for report in world.database["index_reconciles"].find(
            {"differences": {"$exists": True}}
        )
    )
    # Two generations are compared: the one that serves, and the one before.
    per_pass = (index / 2 + record) / documents * _RECONCILED
    say(f"reconciled: index {index:.1f} s, record {record:.1f} s")
    return [
        Figure("live rebuild", rate, "documents/s"),
        Figure(
            "live rebuild / raw import",
            rate / raw_per_second,
            "ratio",
            at_least=REBUILD_SHARE,
        ),
        Figure("reconcile, index and rows, two generations", index, "s"),
        Figure("reconcile, record and rows", record, "s"),
        Figure(
            "reconcile of 200,000 documents, both",
            per_pass,
            "s",
            at_most=RECONCILE_SECONDS,
        ),
        Figure("drift found", float(drift), "", at_most=0),
    ]


def _ask(world: World, action: str, **arguments: object) -> float:
    """Ask the indexer for something and wait until it is done; seconds."""
    name = f"bench-{uuid4().hex}"
    request: Record = {
        "_id": name,
        "action": action,
        "createdAt": datetime.now(UTC),  # noqa: TID251  (written as a client would)
        "arguments": arguments,
        "state": "waiting",
        "outcome": None,
        "startedAt": None,
        "finishedAt": None,
    }
    requests = world.database["index_requests"]
    started = time.perf_counter()
    requests.insert_one(request)
    until(
        lambda: requests.count_documents(
            {"_id": name, "state": {"$in": ["done", "failed"]}}
        ),
        action,
        1800,
        every=0.05,
    )
    answered = requests.find_one({"_id": name}) or {}
    if answered["state"] != "done":
        message = f"{action}: {answered['outcome']}"
        raise RuntimeError(message)
    say(f"{action}: {answered['outcome']}")
    return time.perf_counter() - started


def _phase_seconds(world: World) -> float:
    """How long the newest generation took from its beginning until it served."""
    newest = world.database["index_generations"].find_one(sort=[("_id", -1)]) or {}
    seconds: float = (newest["servedAt"] - newest["startedAt"]).total_seconds()
    return seconds

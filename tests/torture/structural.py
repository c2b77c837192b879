"""Row ``structural``: what happens to whole sets of records at once.

None of it comes as one event per record; some of it comes as none at all.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.torture.gateway import Record
from tests.torture.outcome import Outcome, Violation, pause
from tests.torture.world import World, running_world

_SETTLE_SECONDS = 30.0
_LARGE = 15_900_000
_MANY = 1_000


def drop(world: World) -> None:
    """All jobs are gone with their records' whole set."""
    world.gateway.jobs.drop()
    world.gateway.alive.clear()


def rename_away(world: World) -> None:
    """The records go on under another name, which nobody watches."""
    world.gateway.jobs.rename("jobs_before")
    world.gateway.alive.clear()


def rename_back(world: World) -> None:
    """They come back, all at once and without an event for any of them."""
    world.database["jobs_before"].rename("jobs", dropTarget=True)
    world.gateway.alive = list(world.gateway.jobs.find())


def rename_onto(world: World) -> None:
    """Other records take the place of all that were there."""
    world.database["jobs_new"].drop()
    made = [world.gateway.new_job() for _ in range(80)]
    kept = world.gateway.alive[:20]  # some are the same but say something else
    for job in kept:
        job["metadata"] = {"tags": ["fjord"], "isPublic": False}
    world.database["jobs_new"].insert_many([*made, *kept])
    world.database["jobs_new"].rename("jobs", dropTarget=True)
    world.gateway.alive = [*made, *kept]


def out_of_a_pipeline(world: World) -> None:
    """``$out`` replaces all records by what a pipeline makes of them."""
    stages: list[Record] = [
        {"$match": {"type": {"$ne": "lora-training"}}},
        {"$set": {"metadata.description": "said by a pipeline"}},
        {"$out": "jobs"},
    ]
    world.gateway.jobs.aggregate(stages)
    world.gateway.alive = list(world.gateway.jobs.find())


def large_records(world: World) -> None:
    """Records near the limit, with pre-images that do not fit beside them."""
    world.database.command(
        "collMod", "jobs", changeStreamPreAndPostImages={"enabled": True}
    )
    for number in range(2):
        job = world.gateway.new_job()
        job["ballast"] = "x" * _LARGE
        world.gateway.jobs.insert_one(job)
        job["ballast"] = "y" * (_LARGE - number)
        world.gateway.jobs.replace_one({"_id": job["_id"]}, job)
        world.gateway.jobs.update_one(
            {"_id": job["_id"]}, {"$set": {"metadata.description": "large"}}
        )
    world.gateway.fill(10)
    world.database.command(
        "collMod", "jobs", changeStreamPreAndPostImages={"enabled": False}
    )


def expiry(world: World) -> None:
    """A TTL index deletes what is old, when it likes."""
    admin = world.gateway.client.admin
    admin.command("setParameter", 1, ttlMonitorSleepSecs=1)
    past = datetime(2020, 1, 1, tzinfo=UTC)
    doomed = [job["_id"] for job in world.gateway.alive[::3]]
    world.gateway.jobs.update_many(
        {"_id": {"$in": doomed}}, {"$set": {"forgetAt": past}}
    )
    world.gateway.jobs.create_index("forgetAt", expireAfterSeconds=1, name="forget")
    for _ in range(100):
        if not world.gateway.jobs.count_documents({"_id": {"$in": doomed}}):
            break
        pause(0.2)
    world.gateway.jobs.drop_index("forget")
    world.gateway.alive = list(world.gateway.jobs.find())


def large_transaction(world: World) -> None:
    """A thousand operations become visible in one moment, with one cluster time."""
    jobs, client = world.gateway.jobs, world.gateway.client
    made = [world.gateway.new_job() for _ in range(_MANY * 6 // 10)]
    changed = world.gateway.alive[: _MANY * 3 // 10]
    with client.start_session() as session, session.start_transaction():
        for job in made:
            jobs.insert_one(job, session=session)
        for job in changed:
            job["metadata"] = job["metadata"] | {"description": "at once"}
            jobs.replace_one({"_id": job["_id"]}, job, session=session)
        for job in made[: _MANY - len(made) - len(changed)]:
            jobs.delete_one({"_id": job["_id"]}, session=session)
    world.gateway.alive = list(jobs.find())


def drop_database(world: World) -> None:
    """Everything is gone, the indexer's own records too; then life begins anew."""
    world.gateway.client.drop_database(world.database.name)
    world.gateway.alive.clear()
    pause(world.random.uniform(0.0, timedelta(seconds=1).total_seconds()))


ALL: tuple[Callable[[World], None], ...] = (
    large_transaction,
    rename_onto,
    out_of_a_pipeline,
    large_records,
    expiry,
    rename_away,
    rename_back,
    drop,
    drop_database,
)


def structural(
    seed: int, folder: Path, *, ways: tuple[Callable[[World], None], ...] = ALL
) -> Outcome:
    """Do all of it, to a live indexer and, every other time, to a stopped one."""
    with running_world(World(folder, seed, most=600)) as world:
        world.begin(400)
        figures: dict[str, float] = {}
        for number, way in enumerate(ways):
            is_stopped = (seed + number) % 2 == 1
            if is_stopped:
                world.indexer.stop()
            try:
                way(world)
                if is_stopped:
                    world.indexer.start()
                figures[way.__name__] = round(world.settle(_SETTLE_SECONDS), 2)
                world.gateway.fill(60)
                world.settle(_SETTLE_SECONDS)
            except Violation as error:
                state = "stopped" if is_stopped else "running"
                message = f"{way.__name__} ({state}): {error}"
                raise Violation(message) from error
        return Outcome(1, world.worst_settle, world.figures() | figures)

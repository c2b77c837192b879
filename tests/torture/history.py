"""Row ``history-lost``: the change stream can't go on from where the indexer was.

Whatever happens, the index must equal the record again by itself, and where changes
were really lost a generation must have said that it is degraded meanwhile.
"""

from collections.abc import Callable
from pathlib import Path

from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from tests.torture.gateway import Record
from tests.torture.outcome import Outcome, Violation, pause
from tests.torture.watching import GenerationWatcher, await_that
from tests.torture.world import World, running_world

_RECOVERY_SECONDS = 30.0
_MOST_BALLAST = 1_000
"""Records of 8 MB at most, to have a 16 MB oplog forget: it is lazy about it."""

_APP = "asset-catalog-indexer"


def _write_while_stopped(world: World, change: Callable[[], object]) -> None:
    """Stop the indexer, let the platform go on, do something to the position."""
    world.indexer.stop()
    world.gateway.fill(60)
    change()
    world.indexer.start()


def error_while_reading(world: World) -> bool:
    """286 from a stream that is open: the cursor fell off the oplog."""
    _fail(world, "getMore", 286)
    world.gateway.fill(60)
    return True


def error_at_resume(world: World) -> bool:
    """286 at the start of the process."""
    _write_while_stopped(world, lambda: _fail(world, "aggregate", 286, times=2))
    return False  # the second rung of the ladder, or the next attempt, may do


def bad_token(world: World) -> bool:
    """280 at the start: the token is refused, the cluster time does."""
    _write_while_stopped(world, lambda: _fail(world, "aggregate", 280))
    return False


def position_lost(world: World) -> bool:
    """136 from a stream that is open: whether anything is lost, its reopening tells."""
    _fail(world, "getMore", 136)
    world.gateway.fill(60)
    return False


def future_token(world: World) -> bool:
    """The position is ahead of the server, as after a restored backup."""

    def change() -> None:
        hour = 3600 << 32
        _set_positions(world, lambda at: {"clusterTime": at + hour, "token": None})

    _write_while_stopped(world, change)
    return True


def another_replica_set(world: World) -> bool:
    """All records are there, in a replica set that has another id and no oplog."""
    _write_while_stopped(world, world.mongod.become_another_replica_set)
    return True


def other_pipeline(world: World) -> bool:
    """The indexer was upgraded, and its stream has another pipeline now."""
    _write_while_stopped(
        world, lambda: _set_positions(world, lambda _: {"pipelineHash": "another"})
    )
    return False


def roll_over(world: World) -> bool:
    """The oplog really has forgotten the position."""
    local = world.gateway.client["local"]["oplog.rs"]

    def oldest() -> Timestamp:
        entry = local.find_one({}, {"ts": 1}, sort=[("$natural", 1)])
        assert entry is not None
        found: Timestamp = entry["ts"]
        return found

    def change() -> None:
        saved = max(g["position"]["clusterTime"] for g in world.generations())
        ballast = b"x" * 8_000_000
        records = world.gateway.client["elsewhere"]["ballast"]
        for number in range(_MOST_BALLAST):
            other = {"n": number, "b": ballast}  # what changes nothing is no entry
            records.replace_one({"_id": number % 4}, other, upsert=True)
            if number % 20 == 19:
                found = oldest()
                if (found.time << 32 | found.inc) > saved:
                    return
        message = "the oplog does not roll over"
        raise RuntimeError(message)

    _write_while_stopped(world, change)
    return True


QUICK = (
    error_while_reading,
    error_at_resume,
    bad_token,
    position_lost,
    future_token,
    other_pipeline,
    another_replica_set,
)
ALL = (*QUICK, roll_over)


def history_lost(
    seed: int, folder: Path, *, ways: tuple[Callable[[World], bool], ...] = ALL
) -> Outcome:
    """Lose history in each of these ways, one after the other."""
    with running_world(World(folder, seed, forgets_soon=True)) as world:
        world.begin()
        figures: dict[str, float] = {}
        for way in ways:
            # Another server answers at the address, and its clock may be behind: only
            # there a `_seq` has no order that a watcher could check.
            states = GenerationWatcher(world.database)
            states.start()
            try:
                is_lost = way(world)
                figures[way.__name__] = round(_recover(world, states, is_lost), 2)
            except Violation as error:
                message = f"{way.__name__}: {error}"
                raise Violation(message) from error
            finally:
                states.stop()
        return Outcome(1, world.worst_settle, world.figures() | figures)


def _recover(world: World, states: GenerationWatcher, is_lost: bool) -> float:  # noqa: FBT001
    taken = world.settle(_RECOVERY_SECONDS)
    if is_lost:
        taken += await_that(
            lambda: states.degraded > 0, 10, "the mark that history was lost"
        )
    await_that(lambda: not _is_degraded(world), _RECOVERY_SECONDS, "the end of repair")
    world.settle()
    world.gateway.fill(40)  # and it goes on from there
    world.settle()
    return taken


def _is_degraded(world: World) -> bool:
    return any(
        generation["isDegraded"]
        for generation in world.generations()
        if generation["state"] not in {"dropped", "retiring"}
    )


def _fail(world: World, command: str, code: int, times: int = 1) -> None:
    """Have the server refuse the indexer's next commands of this kind."""
    try:
        world.gateway.client.admin.command(
            {
                "configureFailPoint": "failCommand",
                "mode": {"times": times},
                "data": {
                    "failCommands": [command],
                    "errorCode": code,
                    "appName": _APP,
                },
            }
        )
    except PyMongoError as error:
        message = "the server knows no fail points: start it with enableTestCommands"
        raise RuntimeError(message) from error
    pause(0.3)


def _set_positions(world: World, change: Callable[[int], Record]) -> None:
    """Edit the saved positions, of which the fence guards the indexer's own saves."""
    for generation in world.generations():
        position = generation.get("position")
        if position is None or generation["state"] == "dropped":
            continue
        world.database["index_generations"].update_one(
            {"_id": generation["_id"]},
            {"$set": {"position": position | change(position["clusterTime"])}},
        )

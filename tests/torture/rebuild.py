"""Row ``rebuild``: a generation is built anew under writes, and its builder is killed.

Readers ask all the time for what never changes, and every one of their searches must
find all of it. A generation that serves no more but could be rolled back to must
equal the record as well.
"""

import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from tests.oracle import document_id, owner_key
from tests.torture.faults import running_proxy
from tests.torture.gateway import Record
from tests.torture.outcome import Outcome, Violation, pause
from tests.torture.watching import GenerationWatcher, Searcher
from tests.torture.world import PREFIX, World, running_world

MOMENTS = ("backfilling", "catching_up", "verifying", "serving", "creating", "")
"""In which state the builder is killed; the last one: whenever it happens to be."""

_MARKERS = 30


def rebuild(
    seed: int,
    folder: Path,
    *,
    rebuilds: int = 5,
    slow_ms: int = 5,
    per_second: int = 80,
    patience: int = 90,
) -> Outcome:
    """Rebuild so many times, killed in another state each time.

    Args:
        seed: Of everything.
        folder: For the world.
        rebuilds: How many.
        slow_ms: What each request and each answer of the engine takes more, every
            other time, so that a rebuild meets many more changes.
        per_second: Writes of the platform (three generations are kept in step).
        patience: Seconds within which each state must be reached.
    """
    with running_world(World(folder, seed, most=1200)) as world, ExitStack() as stack:
        proxy = stack.enter_context(running_proxy(world.typesense.port, seed))
        world.indexer = world.indexer_with(
            {"CATALOG_TYPESENSE_URL": f"http://127.0.0.1:{proxy.port}"}
        )
        expected = _write_markers(world)
        world.begin(2500)
        searchers = [_searcher(world, "assets", expected[0])]
        searchers.append(_searcher(world, "segments", expected[1]))
        states = GenerationWatcher(world.database)
        stack.callback(states.stop)
        for watcher in (*searchers, states):
            stack.callback(watcher.stop)
            watcher.start()
        hits: dict[str, float] = {}
        for number in range(rebuilds):
            moment = MOMENTS[(seed + number) % len(MOMENTS)]
            proxy.delay_seconds = slow_ms / 1000 if number % 2 else 0.0
            with world.gateway.writing(per_second):
                _rebuild_once(world, states, number, moment, patience)
                name = f"killed {moment or 'anywhere'}"
                hits[name] = hits.get(name, 0) + 1
                pause(world.random.uniform(0.0, 0.5))
                proxy.delay_seconds = 0.0
                again_at = world.await_beat()  # as after any kill of an indexer
            world.settle(since=again_at)
            for watcher in (*searchers, states):
                watcher.check()
        figures = world.figures() | hits
        figures["searches"] = sum(searcher.searches for searcher in searchers)
        return Outcome(rebuilds, world.worst_settle, figures)


def _rebuild_once(
    world: World,
    states: GenerationWatcher,
    number: int,
    moment: str,
    patience: int,
) -> None:
    before = max(generation["_id"] for generation in world.generations())
    states.forget()
    ask(world, f"torture-{number}")
    if moment:
        seen = states.await_state(
            lambda n, state: n > before and state == moment, patience
        )
        if seen is None:
            message = f"no generation ever was {moment}; {states.violations}"
            raise Violation(message)
    else:
        pause(world.random.uniform(0.0, 1.5))
    world.indexer.kill()
    pause(world.random.uniform(0.0, 0.3))
    world.indexer.start()
    _await_serving(world, before, patience)


def _await_serving(world: World, before: int, patience: int) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        world.indexer.check()
        found = world.generations()
        if any(g["_id"] > before and g["state"] == "serving" for g in found):
            return
        pause(0.05)
    told = [(g["_id"], g["state"], g.get("done")) for g in world.generations()]
    message = f"no newer generation serves after a rebuild: {told}"
    raise Violation(message)


def ask(world: World, request_id: str, action: str = "reindex") -> None:
    """Ask the indexer for something, as the API and the command do."""
    world.database["index_requests"].insert_one(
        {
            "_id": request_id,
            "action": action,
            "createdAt": datetime.now(UTC),  # noqa: TID251  (as an API would)
            "arguments": {},
            "state": "waiting",
            "outcome": None,
            "startedAt": None,
            "finishedAt": None,
        }
    )


def _searcher(world: World, kind: str, expected: set[str]) -> Searcher:
    parameters = {
        "q": "lighthouse",
        "query_by": "prompt,transcript" if kind == "assets" else "text",
        "filter_by": f"acl:={owner_key('marker')}",
        "include_fields": "id",
        "per_page": "250",
    }
    return Searcher(world.engine, f"{PREFIX}{kind}", parameters, expected)


def _write_markers(world: World) -> tuple[set[str], set[str]]:
    """Write jobs that never change; returns ids of their assets and segments."""
    assets, segments = set[str](), set[str]()
    for number in range(_MARKERS):
        job_id = f"marker-{number}"
        key = f"transcripts/marker/{job_id}/transcript.json"
        job: Record = {
            "jobId": job_id,
            "userId": "marker",
            "status": "completed",
            "createdAt": datetime(2025, 4, 1, tzinfo=UTC),
            "metadata": {},
        }
        if number % 2:
            url = "https://elsewhere.example/image_1.png"
            job |= {
                "type": "image-generation",
                "config": {"prompt": "lighthouse"},
                "versions": [{"version": 1, "images": [{"url": url}]}],
            }
            assets.add(document_id("i", f"{job_id}-1"))
        else:
            said = b'{"text":"lighthouse","utterances":[{"text":"lighthouse",'
            world.gateway.put_file(key, said + b'"speaker":"A","start":0,"end":9}]}')
            bucket = "https://content-generation-assets.s3.amazonaws.com"
            job |= {
                "type": "transcription",
                "config": {},
                "versions": [{"version": 1, "transcriptUrl": f"{bucket}/{key}"}],
            }
            assets.add(document_id("t", job_id))
            segments.add(document_id("t", job_id) + "x0")
        world.gateway.jobs.insert_one(job)
    return assets, segments

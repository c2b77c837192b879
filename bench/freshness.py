"""How soon a committed write is searchable, under 200 writes a second.

The writer and the watcher are this process; indexer, engine and MongoDB are real
processes of their own. A sample of the writes sets a description of its own, and a
search asks for those documents until it answers with that description.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from queue import SimpleQueue
from typing import Any

import orjson
from typing_extensions import override

from bench.corpus import Corpus, Piece
from bench.report import Figure, percentile, say
from bench.world import World, until
from catalog.identity import document_id
from catalog.models.asset import AssetType
from catalog.models.ids import AssetId, DocumentId

WRITES_PER_SECOND = 200
WATCHED = (0, 27, 9)
"""Of 30 writes: one update, one image, one transcript."""
RESERVED = 500
"""Jobs that only watched updates touch, so that no other overwrites their mark; of a
small corpus half of all."""
POLL_SECONDS = 0.005
GIVE_UP_SECONDS = 30.0
SEGMENTS = 50


@dataclass(frozen=True, slots=True)
class _Mark:
    """A write to wait for: its document, the description it set, and when."""

    document_id: str
    text: str
    at: float


class _Watcher(threading.Thread):
    """Searches for marked documents until they say so; keeps the delays in ms.

    One search asks for all that are pending, so that watching costs the engine little.
    """

    def __init__(self, world: World) -> None:
        super().__init__(daemon=True)
        self._world = world
        self.marks: SimpleQueue[_Mark | None] = SimpleQueue()
        self.delays_ms: list[float] = []
        self.lost = 0

    @override
    def run(self) -> None:
        pending = dict[str, _Mark]()
        is_open = True
        while is_open or pending:
            while not self.marks.empty():
                mark = self.marks.get()
                if mark is None:
                    is_open = False
                else:
                    pending[mark.document_id] = mark
            if pending:
                self._look(pending)
            time.sleep(POLL_SECONDS)  # noqa: TID251  (a polling interval)

    def _look(self, pending: dict[str, _Mark]) -> None:
        search = {
            "collection": "assets",
            "q": "*",
            "filter_by": f"id:[{','.join(list(pending)[:200])}]",
            "include_fields": "id,description",
            "per_page": 200,
        }
        body = orjson.dumps({"searches": [search]})
        answer = orjson.loads(self._world.engine("POST", "/multi_search", body))
        now = time.perf_counter()
        for hit in answer["results"][0]["hits"]:
            document = hit["document"]
            mark = pending[document["id"]]
            if document.get("description") == mark.text:
                self.delays_ms.append((now - mark.at) * 1000)
                del pending[mark.document_id]
        for mark in [m for m in pending.values() if now - m.at > GIVE_UP_SECONDS]:
            self.lost += 1
            del pending[mark.document_id]


def freshness(
    world: World, seconds: float, *, is_doubled: bool = False
) -> list[Figure]:
    """70 % job updates, 20 % new images, 10 % transcripts of 50 segments.

    Args:
        world: With an indexer that serves and idles.
        seconds: How long to write.
        is_doubled: Two generations are kept in step, so everything is written twice:
            told, without a bound.
    """
    corpus = Corpus(seed=12 if is_doubled else 11)
    prefix = "again" if is_doubled else "fresh"
    jobs = world.database["jobs"]
    wanted = {"type": {"$ne": "transcription"}}
    known = [
        (record["_id"], _document_of(record))
        for record in jobs.find(wanted, {"jobId": 1, "type": 1}).limit(5000)
    ]
    total = int(seconds * WRITES_PER_SECOND)
    fresh = [_fresh(corpus, prefix, n) for n in range(total) if n % 10 >= 7]
    for piece in fresh:
        for key, content in piece.files:
            world.store(key, content)
    until(lambda: not world.status().get("lagMs"), "the indexer idles", 120)
    watcher = _Watcher(world)
    watcher.start()
    start = time.perf_counter()
    kept = min(RESERVED, len(known) // 2)
    new, late, reserved = iter(fresh), 0.0, cycle(known[:kept])
    for number in range(total):
        due = start + number / WRITES_PER_SECOND
        late = max(late, time.perf_counter() - due)
        time.sleep(max(0.0, due - time.perf_counter()))  # noqa: TID251  (the pace)
        mark = f"zmark{number}x"
        if number % 10 < 7:
            target, watched = (
                next(reserved)
                if number % 30 == 0
                else known[corpus.random.randrange(kept, len(known))]
            )
            change = {"$set": {"metadata.description": mark, "progress": number % 100}}
            jobs.update_one({"_id": target}, change)
        else:
            record = next(new).record
            record["metadata"]["description"] = mark
            watched = _document_of(record)
            jobs.insert_one(record)
        if number % 30 in WATCHED:
            watcher.marks.put(_Mark(watched, mark, time.perf_counter()))
    elapsed = time.perf_counter() - start
    watcher.marks.put(None)
    watcher.join(60)
    say(f"{total} writes in {elapsed:.1f} s, {len(watcher.delays_ms)} watched")
    p50, p99 = (percentile(watcher.delays_ms, p) for p in (50, 99))
    if is_doubled:
        return [
            Figure("commit -> searchable beside a rollback window, p50", p50, "ms"),
            Figure("commit -> searchable beside a rollback window, p99", p99, "ms"),
        ]
    return [
        Figure("writes", total / elapsed, "writes/s"),
        Figure("commit -> searchable, p50", p50, "ms", at_most=60),
        Figure("commit -> searchable, p99", p99, "ms", at_most=250),
        Figure("  watched writes never found", watcher.lost, "", at_most=0),
        Figure("  writer's largest lateness", late * 1000, "ms"),
    ]


def _document_of(job: Mapping[str, Any]) -> DocumentId:
    """Id of the document of a job's (first) asset."""
    match job["type"]:
        case "lora-training":
            return document_id(AssetType.LORA, AssetId(job["jobId"]))
        case "transcription":
            return document_id(AssetType.TRANSCRIPT, AssetId(job["jobId"]))
        case _:
            return document_id(AssetType.IMAGE, AssetId(f"{job['jobId']}-1"))


def _fresh(corpus: Corpus, prefix: str, number: int) -> Piece:
    job_id = f"{prefix}{number:06d}"
    if number % 10 == 9:
        return corpus.transcript(job_id, segments=SEGMENTS)
    return corpus.images(job_id, count=1)

"""How soon a committed write is searchable, under 200 writes a second.

The writer and the watcher are this process; indexer, engine and MongoDB are real
processes of their own. A sample of the writes carries a word of its own, which is
searched for until it is found.
"""

import threading
import time
from itertools import cycle
from queue import SimpleQueue

import orjson
from typing_extensions import override

from bench.corpus import Corpus, Piece
from bench.report import Figure, percentile, say
from bench.world import World, until

WRITES_PER_SECOND = 200
WATCHED = (0, 27, 9)
"""Of 30 writes: one update, one image, one transcript."""
RESERVED = 500
"""Jobs that only watched updates touch, so that no other overwrites their mark."""
POLL_SECONDS = 0.004
SEGMENTS = 50


class _Watcher(threading.Thread):
    """Looks for marks until they are found; keeps the delays in ms."""

    def __init__(self, world: World) -> None:
        super().__init__(daemon=True)
        self._world = world
        self.marks: SimpleQueue[tuple[str, float] | None] = SimpleQueue()
        self.delays_ms: list[float] = []
        self.lost = 0

    @override
    def run(self) -> None:
        pending = dict[str, float]()
        is_open = True
        while is_open or pending:
            while not self.marks.empty():
                mark = self.marks.get()
                if mark is None:
                    is_open = False
                else:
                    pending[mark[0]] = mark[1]
            if pending:
                self._look(pending)
            time.sleep(POLL_SECONDS)  # noqa: TID251  (a polling interval)

    def _look(self, pending: dict[str, float]) -> None:
        names = list(pending)[:40]
        searches = [
            {
                "collection": "assets",
                "q": name,
                "query_by": "description",
                "filter_by": "(_seq:>=0)",
                "include_fields": "id",
                "per_page": 1,
                "num_typos": 0,
                "prefix": False,
            }
            for name in names
        ]
        answer = orjson.loads(
            self._world.engine(
                "POST", "/multi_search", orjson.dumps({"searches": searches})
            )
        )
        now = time.perf_counter()
        for name, result in zip(names, answer["results"], strict=True):
            if result.get("found"):
                self.delays_ms.append((now - pending.pop(name)) * 1000)
            elif now - pending[name] > 30:
                self.lost += 1
                del pending[name]


def freshness(world: World, seconds: float) -> list[Figure]:
    """70 % job updates, 20 % new images, 10 % transcripts of 50 segments."""
    corpus = Corpus(seed=11)
    jobs = world.database["jobs"]
    known = [
        record["_id"]
        for record in jobs.find({"type": {"$ne": "transcription"}}, {"_id": 1}).limit(
            5000
        )
    ]
    total = int(seconds * WRITES_PER_SECOND)
    fresh = [_fresh(corpus, n) for n in range(total) if n % 10 >= 7]
    for piece in fresh:
        for key, content in piece.files:
            world.store(key, content)
    until(lambda: not world.status().get("lagMs"), "the indexer idles", 120)
    watcher = _Watcher(world)
    watcher.start()
    start = time.perf_counter()
    new, late, reserved = iter(fresh), 0.0, cycle(known[:RESERVED])
    for number in range(total):
        due = start + number / WRITES_PER_SECOND
        late = max(late, time.perf_counter() - due)
        time.sleep(max(0.0, due - time.perf_counter()))  # noqa: TID251  (the pace)
        mark = f"zmark{number}x"
        if number % 10 < 7:
            target = (
                next(reserved)
                if number % 30 == 0
                else known[corpus.random.randrange(RESERVED, len(known))]
            )
            change = {"$set": {"metadata.description": mark, "progress": number % 100}}
            jobs.update_one({"_id": target}, change)
        else:
            record = next(new).record
            record["metadata"]["description"] = mark
            jobs.insert_one(record)
        if number % 30 in WATCHED:
            watcher.marks.put((mark, time.perf_counter()))
    elapsed = time.perf_counter() - start
    watcher.marks.put(None)
    watcher.join(60)
    say(f"{total} writes in {elapsed:.1f} s, {len(watcher.delays_ms)} watched")
    p50, p99 = (percentile(watcher.delays_ms, p) for p in (50, 99))
    return [
        Figure("writes", total / elapsed, "writes/s"),
        Figure("commit -> searchable, p50", p50, "ms", at_most=60),
        Figure("commit -> searchable, p99", p99, "ms", at_most=250),
        Figure("  watched writes never found", watcher.lost, "", at_most=0),
        Figure("  writer's largest lateness", late * 1000, "ms"),
    ]


def _fresh(corpus: Corpus, number: int) -> Piece:
    job_id = f"fresh{number:06d}"
    if number % 10 == 9:
        return corpus.transcript(job_id, segments=SEGMENTS)
    return corpus.images(job_id, count=1)

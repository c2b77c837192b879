"""How fast the initial build is, against a raw import of the same ready documents."""

import time
from typing import Any

import orjson

from bench.corpus import Corpus
from bench.report import Figure, say
from bench.world import World, until

INDEXES = ("assets", "segments", "tags")
IMPORT_BATCH = 1000


def fill(world: World, assets: int, segments: int) -> int:
    """Write job records and files the way a platform would; returns the jobs."""
    records = list[dict[str, Any]]()
    count = 0
    for piece in Corpus().pieces(assets, segments):
        for key, content in piece.files:
            world.store(key, content)
        records.append(piece.record)
        if len(records) == 2000:
            count += len(world.database["jobs"].insert_many(records).inserted_ids)
            records.clear()
    if records:
        count += len(world.database["jobs"].insert_many(records).inserted_ids)
    return count


def build(world: World) -> list[Figure]:
    """Start an indexer on a full record and an empty index; wait till it serves."""
    samples = list[tuple[float, float, int]]()
    start = time.perf_counter()
    world.start("indexer")

    def is_serving() -> bool:
        status = world.status()
        samples.append(
            (time.perf_counter(), world.rss_mib("indexer"), status.get("done", 0))
        )
        return bool(status.get("generation")) and not status.get("dirty")

    until(is_serving, "the build", 1800)
    seconds = time.perf_counter() - start
    ready = {
        name: world.engine("GET", f"/collections/{name}/documents/export")
        for name in INDEXES
    }
    documents = sum(lines.count(b"\n") + 1 for lines in ready.values() if lines)
    raw_seconds = sum(_raw_import(world, name, lines) for name, lines in ready.items())
    total = max((done for *_, done in samples), default=1)
    middle = [rss for _, rss, done in samples if total * 0.2 <= done <= total * 0.5]
    end = [rss for _, rss, done in samples if done > total * 0.5]
    growth = max(end, default=0) / max(middle, default=1) if middle and end else 1.0
    say(f"{documents} documents: built in {seconds:.1f} s, raw in {raw_seconds:.1f} s")
    return [
        Figure("initial build", documents / seconds, "documents/s"),
        Figure("raw bulk import", documents / raw_seconds, "documents/s"),
        Figure(
            "initial build / raw import", raw_seconds / seconds, "ratio", at_least=0.5
        ),
        Figure(
            "indexer RSS, highest during build", max(r for _, r, _ in samples), "MiB"
        ),
        Figure("  second half of it / second quarter and more", growth, "ratio"),
    ]


def _raw_import(world: World, name: str, lines: bytes) -> float:
    """Import ready documents into a fresh index of the same schema; seconds."""
    schema = orjson.loads(world.engine("GET", f"/collections/{name}"))
    kept = ("fields", "default_sorting_field", "token_separators", "symbols_to_index")
    copy = {key: schema[key] for key in kept if schema.get(key)} | {
        "name": f"raw_{name}"
    }
    world.engine("POST", "/collections", orjson.dumps(copy))
    documents = lines.split(b"\n")
    batches = [
        b"\n".join(documents[n : n + IMPORT_BATCH])
        for n in range(0, len(documents), IMPORT_BATCH)
    ]
    start = time.perf_counter()
    for batch in batches:
        answer = world.engine(
            "POST", f"/collections/raw_{name}/documents/import?action=create", batch
        )
        if b'"success":false' in answer:
            message = f"raw import of {name} failed: {answer[:300]!r}"
            raise RuntimeError(message)
    seconds = time.perf_counter() - start
    world.engine("DELETE", f"/collections/raw_{name}")
    return seconds

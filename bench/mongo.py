"""The same words asked of MongoDB, on the same records: what a catalog replaces."""

import re
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import orjson

from bench.corpus import Corpus
from bench.report import Figure
from bench.world import World
from catalog.access import PUBLIC_KEY, owner_key, shared_key

QUERIES = 40


def mongo(world: World) -> list[Figure]:
    """Median latency of one search at a time: engine, ``$text``, ``$regex``."""
    corpus = Corpus(seed=31)
    asked = [(corpus.owner(), corpus.query()) for _ in range(QUERIES)]
    records = world.database["assets"]
    text_name = next(
        (
            index["name"]
            for index in records.list_indexes()
            if index["key"].get("_fts") == "text"
        ),
        None,
    )
    if text_name is None:
        records.create_index([("words", "text")])

    def engine(owner: str, words: str) -> None:
        keys = [PUBLIC_KEY, owner_key(owner), shared_key(owner)]
        search = {
            "collection": "assets",
            "q": words,
            "query_by": "name,tags,prompt,description,transcript",
            "filter_by": f"(acl:=[{','.join(keys)}])",
            "per_page": 24,
            "exclude_fields": "transcript",
            "facet_by": "kind,tag_keys,model_key",
        }
        world.engine("POST", "/multi_search", orjson.dumps({"searches": [search]}))

    def text(owner: str, words: str) -> None:
        quoted = " ".join(f'"{word}"' for word in words.split())
        _with_facets(records, owner, {"$text": {"$search": quoted}})

    def regex(owner: str, words: str) -> None:
        clauses = [{"words": {"$regex": rf"\b{re.escape(w)}"}} for w in words.split()]
        _with_facets(records, owner, {"$and": clauses})

    found = {
        name: median(_timed(ask, owner, words) for owner, words in asked)
        for name, ask in (("engine", engine), ("text", text), ("regex", regex))
    }
    return [
        Figure("search + 3 facets, Typesense, p50", found["engine"], "ms"),
        Figure("search + 3 facets, MongoDB $text, p50", found["text"], "ms"),
        Figure("search + 3 facets, MongoDB $regex, p50", found["regex"], "ms"),
        Figure("catalog / MongoDB $text", found["engine"] / found["text"], "ratio"),
        Figure("catalog / MongoDB $regex", found["engine"] / found["regex"], "ratio"),
    ]


def _with_facets(records: Any, owner: str, match: Mapping[str, Any]) -> None:  # noqa: ANN401
    keys = [PUBLIC_KEY, owner_key(owner), shared_key(owner)]
    counts = {
        name: [{"$unwind": f"${name}"}, {"$sortByCount": f"${name}"}, {"$limit": 20}]
        for name in ("type", "tagKeys", "view.model")
    }
    page = [{"$sort": {"createdAt": -1}}, {"$limit": 24}, {"$project": {"view": 1}}]
    facets = {name.replace(".", "_"): steps for name, steps in counts.items()}
    pipeline = [
        {"$match": {**match, "acl": {"$in": keys}}},
        {"$facet": {"page": page, **facets}},
    ]
    list(records.aggregate(pipeline))


def _timed(ask: Callable[[str, str], None], owner: str, words: str) -> float:
    start = time.perf_counter()
    ask(owner, words)
    return (time.perf_counter() - start) * 1000

"""Whether one user's million assets, or a thousand shared ones, make a user wait."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from statistics import median
from typing import Any
from urllib.parse import urlencode

import orjson

from bench.corpus import MODELS, Corpus
from bench.report import Figure, say
from bench.search import FACETS, PER_PAGE, load, serving_api
from bench.world import World, until
from catalog.identity import asset_id, document_id, root_key
from catalog.models.asset import Asset, AssetFile, AssetType, AssetVersion, FileRole
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.sharing import Grant
from catalog.repositories.mongo.codec_assets import record_from_row
from catalog.search.projection import documents_of, row_of

LARGE, SMALL, LENDER = UserId("owner-large"), UserId("owner-small"), UserId("lender")
BORROWER, STRANGER = UserId("borrower"), UserId("stranger")

FEW = 1000
"""Assets of the small owner, and those that are shared with the borrower."""

_BATCH = 2000
_Requests = list[list[list[Any]]]
_START = datetime(2025, 1, 1, tzinfo=UTC)


def owners(world: World, owned: int, rounds: int, seconds: float) -> list[Figure]:
    """Measure lists and searches of a large owner against those of a small one."""
    _serve_an_index(world)
    for owner, count, lent_to in ((LARGE, owned, ()), (SMALL, FEW, ())):
        _fill(world, _assets(owner, count, lent_to))
    _fill(world, _assets(LENDER, FEW, (BORROWER,)))
    corpus = Corpus(seed=41)
    words = [corpus.query() for _ in range(100)]
    with serving_api(world):
        compared = {
            f"list by {by}": [_list(world, user, sort=by) for user in (LARGE, SMALL)]
            for by in ("createdAt", "name", "sizeBytes")
        }
        compared["search with shared"] = [
            _searches(world, user, words) for user in (BORROWER, STRANGER)
        ]
        figures = [
            figure
            for name, sides in compared.items()
            for figure in _compare(name, sides, rounds, seconds)
        ]
        slow = load(_searches(world, LARGE, words), 1, 2 * seconds)["p99"]
        name = f"search + facets, owner of {owned:,}, p99"
        figures.append(Figure(name, slow, "ms", at_most=500))
    return figures


_BOUNDS = {"list by createdAt": 2.0, "list by name": 2.0, "search with shared": 1.5}


def _compare(
    name: str, sides: list[_Requests], rounds: int, seconds: float
) -> list[Figure]:
    """Take turns, so that both sides have the same machine."""
    found: list[list[float]] = [[], []]
    for number in range(rounds):
        for side in (0, 1) if number % 2 else (1, 0):
            found[side].append(load(sides[side], 1, seconds / 2)["p50"])
    much, little = (median(one) for one in found)
    ratio = median(a / b for a, b in zip(*found, strict=True))
    return [
        Figure(f"{name}: much, p50", much, "ms"),
        Figure(f"{name}: little, p50", little, "ms"),
        Figure(f"{name}: much / little", ratio, "ratio", at_most=_BOUNDS.get(name)),
    ]


def _list(world: World, user: str, *, sort: str) -> _Requests:
    query = urlencode({"userId": user, "limit": 50, "sort": sort})
    return [[["GET", f"{world.api}/api/assets/images?{query}", {}, None]]]


def _searches(world: World, user: str, words: list[str]) -> _Requests:
    queries = (
        urlencode({"userId": user, "q": asked, "facets": FACETS, "perPage": PER_PAGE})
        for asked in words
    )
    address = f"{world.api}/api/assets/search"
    return [[["GET", f"{address}?{query}", {}, None]] for query in queries]


# --- what is measured on -----------------------------------------------------------


def _serve_an_index(world: World) -> None:
    """Leave a generation that serves, and nobody who would mend what we write."""
    if "indexer" not in world.processes:
        world.start("indexer")
    until(lambda: world.status().get("generation"), "an index serves", 120)
    world.processes["indexer"].terminate()
    world.processes["indexer"].wait(30)


def _assets(owner: UserId, count: int, lent_to: tuple[UserId, ...]) -> Iterator[Asset]:
    corpus = Corpus(seed=len(owner))
    draw = corpus.random
    for number in range(count):
        job_id = JobId(f"{owner}-{number // 4}")
        identifier = asset_id(AssetType.IMAGE, job_id, number % 4 + 1)
        key = ObjectKey(f"generated-images/{owner}/{job_id}/image_{number % 4 + 1}.png")
        file = AssetFile(
            role=FileRole.IMAGE, name=key.rpartition("/")[2], key=key, size_bytes=10**6
        )
        created_at = _START + timedelta(seconds=draw.randrange(86_400 * 600))
        prompt = corpus.sentence(12)
        yield Asset(
            document_id=document_id(AssetType.IMAGE, identifier),
            asset_id=identifier,
            type=AssetType.IMAGE,
            job_id=job_id,
            user_id=owner,
            name=prompt[:40],
            tags=tuple({draw.choice(corpus.tags[:300]) for _ in range(2)}),
            shared_with=tuple(Grant(user=user) for user in lent_to),
            status="completed",
            created_at=created_at,
            versions=(AssetVersion(version=1, created_at=created_at, files=(file,)),),
            prompt=prompt,
            model=draw.choice(MODELS),
            width_px=1024,
            height_px=1024,
            size_bytes=10**6,
            format="png",
        )


def _fill(world: World, assets: Iterable[Asset]) -> None:
    """Write rows and documents as the indexer does, without its proofs."""
    alias = orjson.loads(world.engine("GET", "/aliases/assets"))
    place = f"/collections/{alias['collection_name']}/documents/import?action=upsert"
    left, done = iter(assets), 0
    while batch := list(islice(left, _BATCH)):
        records, documents = [], []
        for asset in batch:
            key = root_key(asset.job_id.encode())
            made = documents_of(asset, root_key=key, sequence=1, generation=1)
            row = row_of(asset, asset.job_id, key, view=made.view, sequence=1)
            records.append(record_from_row(row))
            documents.append(orjson.dumps(made.document))
        world.database["assets"].insert_many(records, ordered=False)
        answer = world.engine("POST", place, b"\n".join(documents))
        if b'"success":false' in answer:
            message = f"the engine refused what was made: {answer[:300]!r}"
            raise RuntimeError(message)
        done += len(batch)
        if done % 100_000 == 0:
            say(f"  {done:,} assets of one owner")

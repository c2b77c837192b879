"""A catalog in memory in which it can be asked why."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from catalog.access import Asker
from catalog.clock import ManualClock
from catalog.describe import describe
from catalog.models.asset import Asset, AssetType
from catalog.models.ids import JobId, UserId
from catalog.models.job import Job, JobImage, JobMetadata, JobVersion
from catalog.models.stored import Annotation, Extraction, ObjectState, StoredObject
from catalog.repositories.base import RootBundle
from catalog.search.base import SearchQuery
from catalog.search.projection import documents_of, row_of
from catalog.services.engine_guard import EngineGuard
from catalog.services.index_monitor import IndexMonitor
from catalog.services.search import SearchService
from catalog.services.why.conclusion import Conclusion
from catalog.services.why.service import Why, WhyService
from tests.fakes.administered import (
    FakeDeadLetterRepository,
    FakeGenerationRepository,
)
from tests.fakes.assets import FakeAssetRepository, Row
from tests.fakes.catalog import FakeIndexStatusRepository
from tests.fakes.jobs import FakeJobRepository
from tests.fakes.records import FakeAttempts, FakeRootReader, root_key
from tests.fakes.search import FakeSearchReader
from tests.fakes.store import FakeStore

NOW = datetime(2025, 12, 1, 12, 0, tzinfo=UTC)
OWNER = Asker(UserId("ann"))
FRIEND = Asker(UserId("bob"))
STRANGER = Asker(UserId("eve"))
ADMIN = Asker(None, sees_everything=True)

TYPES = {
    AssetType.LORA: "lora-training",
    AssetType.IMAGE: "image-generation",
    AssetType.TRANSCRIPT: "transcription",
}


parse_url = FakeStore().parse_url


def a_job(
    job_id: str = "pic",
    kind: AssetType = AssetType.IMAGE,
    count: int = 1,
    **fields: Any,  # noqa: ANN401
) -> Job:
    """Make a completed job of ann's with one version."""
    key = f"memory://store/{kind}/ann/{job_id}"
    version = {
        AssetType.LORA: JobVersion(version=1, model_url=f"{key}/model.safetensors"),
        AssetType.TRANSCRIPT: JobVersion(version=1, transcript_url=f"{key}/said.json"),
    }.get(kind) or JobVersion(
        version=1,
        images=tuple(JobImage(url=f"{key}/image_{n}.png") for n in range(1, count + 1)),
    )
    facts: dict[str, Any] = {
        "job_id": JobId(job_id),
        "user_id": UserId("ann"),
        "type": TYPES[kind],
        "status": "completed",
        "created_at": NOW,
        "versions": (version,),
        "metadata": JobMetadata(name="a lighthouse", tags=("coast",)),
    }
    return Job(**(facts | fields))


def a_bundle(
    job: Job | None,
    root: str = "r1",
    *,
    missing: bool = False,
    annotations: tuple[Annotation, ...] = (),
    extractions: tuple[Extraction, ...] = (),
    **fields: Any,  # noqa: ANN401
) -> RootBundle:
    """Put the files that the job names (present, unless told) beside it."""
    urls = [
        url
        for version in (job.versions if job else ())
        for url in (
            version.model_url,
            version.transcript_url,
            *(image.url for image in version.images),
        )
        if url is not None
    ]
    state = ObjectState.MISSING if missing else ObjectState.PRESENT
    objects = [
        StoredObject(store="s", key=key, state=state, size_bytes=10, etag="e")
        for url in urls
        if (key := parse_url(url)) is not None
    ]
    return RootBundle(
        root=root,
        root_key=root_key(root),
        job=job,
        objects={one.key: one for one in objects},
        annotations={one.target: one for one in annotations},
        extractions={one.key: one for one in extractions},
        **fields,
    )


class World:
    """The service on fakes, and what arranges them."""

    def __init__(self) -> None:
        self.assets = FakeAssetRepository()
        self.jobs = FakeJobRepository()
        self.records = FakeRootReader()
        self.letters = FakeDeadLetterRepository()
        self.dirty = FakeAttempts()
        self.generations = FakeGenerationRepository()
        self.generations.settle(1_700_000_097 << 32)
        self.engine = FakeSearchReader()
        self.status = FakeIndexStatusRepository()

    def add(
        self,
        bundle: RootBundle,
        job_id: str | None = None,
        *,
        is_indexed: bool = True,
        **record: Any,  # noqa: ANN401
    ) -> tuple[Asset, ...]:
        """Write a record; with rows that say that the index has it as it is."""
        assets = describe(bundle, parse_url).assets
        rows = []
        for asset in assets if is_indexed else ():
            made = documents_of(
                asset, root_key=bundle.root_key, sequence=1, generation=1
            )
            rows.append(
                row_of(asset, bundle.root, bundle.root_key, document_hash=made.hash)
            )
            is_trashed = asset.trashed_at is not None
            self.assets.rows.append(Row(made.view, is_trashed=is_trashed))
        bundle = replace(bundle, rows=(*bundle.rows, *rows))
        job = bundle.job
        name = job_id or (job.job_id if job else "pic")
        self.records.roots.setdefault(name, []).append(bundle)
        facts = {"userId": job.user_id, "status": job.status} if job else {}
        self.jobs.records.append({"jobId": name, "userId": "ann", **facts, **record})
        return assets

    def why(self, target: str, query: SearchQuery | None = None) -> Why:
        return asyncio.run(self._why(target, query or SearchQuery(OWNER)))

    async def _why(self, target: str, query: SearchQuery) -> Why:
        clock = ManualClock(NOW)
        monitor = IndexMonitor(self.status, clock)
        search = SearchService(EngineGuard(self.engine), monitor, self.assets)
        service = WhyService(
            search=search,
            monitor=monitor,
            assets=self.assets,
            jobs=self.jobs,
            records=self.records,
            dirty=self.dirty,
            dead_letters=self.letters,
            generations=self.generations,
            parse_url=parse_url,
        )
        try:
            return await service.explain(target, query)
        finally:
            await search.close()

    def conclusion(self, target: str, query: SearchQuery | None = None) -> Conclusion:
        (only,) = self.why(target, query).conclusions
        return only


def verdicts(conclusion: Conclusion) -> dict[str, str]:
    return {stage.name: stage.verdict.value for stage in conclusion.stages}


def facts(conclusion: Conclusion, stage: str) -> dict[str, Any]:
    return next(dict(s.facts) for s in conclusion.stages if s.name == stage)

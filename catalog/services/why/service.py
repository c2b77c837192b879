"""``GET /api/assets/{assetId}/why``: reads what the stages judge.

Rights come first, and from reads that cost the same for an asset that is somebody
else's as for one that does not exist: only then is anything read that tells more.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.describe import Description, describe
from catalog.errors import NotFoundError
from catalog.identity import document_id, possible_job_ids
from catalog.models.asset import Asset, AssetType
from catalog.models.ids import AssetId, DocumentId, JobId
from catalog.places import ParseUrl
from catalog.repositories.base import (
    AssetRepository,
    FoundAsset,
    JobRepository,
    RootBundle,
    RootReader,
)
from catalog.repositories.index_state import (
    AttemptsReader,
    DeadLetterRepository,
    GenerationRepository,
    LetterQuery,
)
from catalog.search.base import Explanation, SearchQuery, SearchReader
from catalog.search.projection import documents_of
from catalog.services.index_monitor import IndexMonitor, IndexState
from catalog.services.jobs import may_see_job
from catalog.services.search import SearchService, check
from catalog.services.why.case import Case
from catalog.services.why.conclusion import Conclusion, conclude
from catalog.services.why.rights import may_see_asset, may_see_row, owns

MAX_ASSETS = 20
"""Assets of one job that are explained, when a bare jobId means several."""

_MAX_RECORDS = 50
_AT_ONCE = 4
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Why:
    """Why assets are found or not.

    Attributes:
        job_id: Of the assets.
        conclusions: One per asset, at most ``MAX_ASSETS``, in the job's order.
        total: How many assets the id means, as far as the asker may see them.
        index: How far the index is.
        is_degraded: The search engine does not answer.
    """

    job_id: str
    conclusions: tuple[Conclusion, ...]
    total: int
    index: IndexState
    is_degraded: bool


@dataclass(frozen=True, slots=True)
class _Root:
    """The records of one jobId as they are now."""

    job_id: JobId
    bundle: RootBundle | None
    description: Description
    defect: str | None
    read_time: int


class WhyService:
    """Explains answers of the search; used from one event loop."""

    def __init__(
        self,
        *,
        search: SearchService,
        monitor: IndexMonitor,
        assets: AssetRepository,
        jobs: JobRepository,
        records: RootReader,
        dirty: AttemptsReader,
        dead_letters: DeadLetterRepository,
        generations: GenerationRepository,
        parse_url: ParseUrl,
    ) -> None:
        """Stand on the record, the read model, the indexer's notes and the engine."""
        self._search = search
        self._monitor = monitor
        self._assets = assets
        self._jobs = jobs
        self._records = records
        self._dirty = dirty
        self._dead_letters = dead_letters
        self._generations = generations
        self._parse_url = parse_url

    async def explain(self, target: str, query: SearchQuery) -> Why:
        """Tell why a search finds an asset or not.

        Args:
            target: An assetId, or a jobId that then means all assets of the job.
            query: The search, and who asks.

        Raises:
            NotFoundError: There is none, or none that the asker may know of.
            InvalidQueryError: The search itself can't be answered; names why.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        check(query)
        job_id, cases, total = await asyncio.to_thread(self._read, target, query)
        at_once = asyncio.Semaphore(_AT_ONCE)
        states: list[IndexState] = []
        is_degraded = False

        async def judge(case: Case) -> Conclusion:
            nonlocal is_degraded
            explanation: Explanation | None = None
            if case.document_id is None:
                state = await self._monitor.current()
            else:
                async with at_once:
                    explanation, state, is_away = await self._ask(
                        query, case.document_id
                    )
                is_degraded = is_degraded or is_away
            states.append(state)
            return conclude(case, explanation, state)

        conclusions = await asyncio.gather(*map(judge, cases))
        return Why(job_id, tuple(conclusions), total, states[-1], is_degraded)

    async def _ask(
        self, query: SearchQuery, identifier: DocumentId
    ) -> tuple[Explanation | None, IndexState, bool]:
        async def ask(reader: SearchReader) -> Explanation | None:
            return await reader.explain(query, identifier)

        def nobody() -> Explanation | None:
            return None

        answered = await self._search.answer(ask, nobody)
        return answered.answer, answered.index, answered.is_degraded

    # --- reading -------------------------------------------------------------------

    def _read(self, target: str, query: SearchQuery) -> tuple[str, Sequence[Case], int]:
        asker = query.asker
        possible = possible_job_ids(target)
        rows = self._assets.find(target)
        jobs = {job_id: self._jobs.find(job_id) for job_id in possible}
        seen = [row for row in rows if may_see_row(asker, row)]
        own = {
            job_id: job
            for job_id, job in jobs.items()
            if job is not None and may_see_job(asker, job)
        }
        if not seen and not own:
            raise NotFoundError("asset", target)
        allowed = {*own, *(row.view["jobId"] for row in seen)}
        roots = [self._read_root(job_id) for job_id in possible if job_id in allowed]
        _, settled = self._generations.settled()
        found = _resolve(target, roots)
        if found is not None:
            root, assets = found
            visible = [one for one in assets if may_see_asset(asker, one)]
            if not visible:
                raise NotFoundError("asset", target)
            cases = [
                self._case(query, root, asset, settled)
                for asset in visible[:MAX_ASSETS]
            ]
            return root.job_id, cases, len(visible)
        if seen:
            by_id = {root.job_id: root for root in roots}
            cases = [
                _case_of_row(query, row, by_id.get(JobId(row.view["jobId"])), settled)
                for row in seen[:MAX_ASSETS]
            ]
            return seen[0].view["jobId"], cases, len(seen)
        job_id = next(iter(own))
        root = next(root for root in roots if root.job_id == job_id)
        case = Case(
            query=query,
            asset_id=target,
            is_told_all=True,
            bundle=root.bundle,
            description=root.description,
            defect=root.defect,
            job_error=_error_of(own[job_id]),
            read_time=root.read_time,
            settled_time=settled,
        )
        return job_id, [case], 1

    def _read_root(self, job_id: JobId) -> _Root:
        roots = self._records.roots_of_jobs([job_id])[:_MAX_RECORDS]
        if not roots:
            return _Root(job_id, None, Description(), None, 0)
        batch = self._records.read(roots)
        newest = [one.shadowed_by for one in batch.bundles if one.shadowed_by]
        if newest and not any(one.job for one in batch.bundles):
            batch = self._records.read([newest[0]])  # of more than were read
        bundle = next((one for one in batch.bundles if one.job), batch.bundles[0])
        description, defect = self._describe(bundle)
        return _Root(job_id, bundle, description, defect, batch.cluster_time)

    def _describe(self, bundle: RootBundle) -> tuple[Description, str | None]:
        try:
            return describe(bundle, self._parse_url), None
        except Exception as exc:  # noqa: BLE001  (such a record is a dead letter)
            _LOG.exception("record defeats us", extra={"root": str(bundle.root)})
            return Description(), f"{type(exc).__name__}: {exc}"

    def _case(
        self, query: SearchQuery, root: _Root, asset: Asset, settled: int
    ) -> Case:
        bundle = root.bundle
        assert bundle is not None  # noqa: S101  (it has assets)
        key = bundle.root_key
        row = next(
            (one for one in bundle.rows if one.document_id == asset.document_id), None
        )
        letters = self._dead_letters.page(1, LetterQuery(letter_id=key)).items
        return Case(
            query=query,
            asset_id=asset.asset_id,
            is_told_all=owns(query.asker, asset.user_id),
            document_id=asset.document_id,
            bundle=bundle,
            description=root.description,
            asset=asset,
            row=row,
            is_current=None
            if row is None
            else row.document_hash == _digest(asset, bundle),
            letter=letters[0] if letters else None,
            attempts=self._dirty.attempts([bundle.root]).get(key),
            read_time=root.read_time,
            settled_time=settled,
        )


def _case_of_row(
    query: SearchQuery, row: FoundAsset, root: _Root | None, settled: int
) -> Case:
    """Make the case of an asset that only the read model has any more."""
    view = row.view
    return Case(
        query=query,
        asset_id=view["assetId"],
        is_told_all=owns(query.asker, view["userId"]),
        document_id=document_id(AssetType(view["type"]), AssetId(view["assetId"])),
        bundle=root.bundle if root else None,
        description=root.description if root else Description(),
        defect=root.defect if root else None,
        read_time=root.read_time if root else 0,
        settled_time=settled,
    )


def _resolve(
    target: str, roots: Iterable[_Root]
) -> tuple[_Root, Sequence[Asset]] | None:
    """Find what an id means in the record, as ``AssetRepository.find`` does in rows."""
    for root in roots:
        assets = root.description.assets
        exact = [asset for asset in assets if asset.asset_id == target]
        chosen = exact or (list(assets) if root.job_id == target else [])
        if chosen:
            return root, chosen
    return None


def _digest(asset: Asset, bundle: RootBundle) -> str:
    return documents_of(asset, root_key=bundle.root_key, sequence=0, generation=0).hash


def _error_of(job: Mapping[str, Any]) -> str | None:
    error = job.get("error")
    if isinstance(error, Mapping):
        error = error.get("message")
    return str(error)[:500] if error else None

"""A whole catalog of fakes, for tests of what stands on it."""

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from catalog.callers import WebTokens
from catalog.clock import ManualClock
from catalog.config import Settings
from catalog.graph import Catalog
from catalog.repositories.index_state import IndexStatus
from catalog.repositories.mongo.jsonable import json_value
from catalog.share_sessions import ShareSessions
from catalog.storage.links import LinkSigner
from tests.fakes.access import FakeAuditRepository, FakeKeyRepository
from tests.fakes.administered import (
    FakeChangeFeed,
    FakeDeadLetterRepository,
    FakeGenerationRepository,
    FakeIndexRequestRepository,
    FakeReconcileRepository,
    FakeScheduleRepository,
)
from tests.fakes.assets import FakeAssetRepository
from tests.fakes.collections import FakeCollectionRepository
from tests.fakes.failing import Failing
from tests.fakes.groups import FakeGroupRepository
from tests.fakes.jobs import FakeJobFeed, FakeJobRepository
from tests.fakes.object_work import FakeObjectWork
from tests.fakes.search import FakeSearchReader
from tests.fakes.share_links import FakeShareLinkRepository, PlainPasswords
from tests.fakes.store import FakeStore
from tests.fakes.submissions import FakeSubmissionRepository
from tests.fakes.usage import FakeRollupRepository, FakeSearchLog, FakeUsageRepository

NOW = datetime(2025, 12, 1, 12, 0, tzinfo=UTC)


def index_status(**changes: Any) -> IndexStatus:  # noqa: ANN401
    """Make the heartbeat of a healthy indexer at ``NOW``."""
    healthy: dict[str, Any] = {
        "generation": 1,
        "state": "serving",
        "lag_ms": 0,
        "applied": 10,
        "done": 10,
        "total": 10,
        "dirty": 0,
        "dead_letters": 0,
        "is_degraded": False,
        "documents": {"assets": 10},
        "beat_at": NOW,
    }
    return IndexStatus(**(healthy | changes))


class FakeIndexStatusRepository(Failing):
    """See ``IndexStatusRepository``."""

    def __init__(self) -> None:
        super().__init__()
        self.status: IndexStatus | None = index_status()

    def read(self) -> IndexStatus | None:
        self.check()
        return self.status

    def write(self, status: IndexStatus) -> None:
        self.check()
        self.status = status


class FakeIndexAdmin(Failing):
    """Of ``IndexAdmin`` only what says that the engine is there."""

    def engine_version(self) -> str:
        self.check()
        return "0.24.1"


class FakePing(Failing):
    """Looks whether MongoDB is there."""

    def __call__(self) -> None:
        self.check()


class Unused:
    """A part that the code under test has no business with."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:  # noqa: ANN401
        message = f"catalog.{self._name}.{attribute} is not for the API's tests"
        raise AssertionError(message)


_FAKED = frozenset(
    {
        *("links", "ensure_indexes", "ensure_late_indexes", "jsonable", "close"),
        *("shared", "share_sessions", "passwords"),
    }
)
"""What ``FakeParts.catalog`` makes itself."""


@dataclass
class FakeParts:
    """The fakes that a test arranges and looks at; ``catalog()`` wires them."""

    settings: Settings = field(
        default_factory=lambda: Settings(admin_token=SecretStr("admin"))
    )
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    jobs: FakeJobRepository = field(default_factory=FakeJobRepository)
    submissions: FakeSubmissionRepository = field(init=False)
    job_feed: FakeJobFeed = field(default_factory=FakeJobFeed)
    assets: FakeAssetRepository = field(default_factory=FakeAssetRepository)
    collections: FakeCollectionRepository = field(
        default_factory=FakeCollectionRepository
    )
    groups: FakeGroupRepository = field(default_factory=FakeGroupRepository)
    share_links: FakeShareLinkRepository = field(
        default_factory=FakeShareLinkRepository
    )
    object_work: FakeObjectWork = field(default_factory=FakeObjectWork)
    search: FakeSearchReader = field(default_factory=FakeSearchReader)
    store: FakeStore = field(default_factory=FakeStore)
    index_status: FakeIndexStatusRepository = field(
        default_factory=FakeIndexStatusRepository
    )
    index_admin: FakeIndexAdmin = field(default_factory=FakeIndexAdmin)
    ping_mongo: FakePing = field(default_factory=FakePing)
    api_keys: FakeKeyRepository = field(default_factory=FakeKeyRepository)
    audit: FakeAuditRepository = field(default_factory=FakeAuditRepository)
    web_tokens: WebTokens | None = None
    feed: FakeChangeFeed = field(default_factory=FakeChangeFeed)
    generations: FakeGenerationRepository = field(
        default_factory=FakeGenerationRepository
    )
    dead_letters: FakeDeadLetterRepository = field(
        default_factory=FakeDeadLetterRepository
    )
    index_requests: FakeIndexRequestRepository = field(
        default_factory=FakeIndexRequestRepository
    )
    sweeps: FakeScheduleRepository = field(default_factory=FakeScheduleRepository)
    reconciles: FakeReconcileRepository = field(default_factory=FakeReconcileRepository)
    usage: FakeUsageRepository = field(default_factory=FakeUsageRepository)
    rollups: FakeRollupRepository = field(default_factory=FakeRollupRepository)
    search_log: FakeSearchLog = field(default_factory=FakeSearchLog)

    def __post_init__(self) -> None:
        self.submissions = FakeSubmissionRepository(self.jobs, json_value)

    def catalog(self) -> Catalog:
        """Wire the fakes; whatever has none refuses to be touched."""
        # Whatever the graph has: a new part of it must not break every test.
        unused: dict[str, Any] = {
            part.name: Unused(part.name)
            for part in fields(Catalog)
            if part.name not in _FAKED and not hasattr(self, part.name)
        }
        return Catalog(
            settings=self.settings,
            clock=self.clock,
            jobs=self.jobs,
            submissions=self.submissions,
            assets=self.assets,
            collections=self.collections,
            groups=self.groups,
            share_links=self.share_links,
            shared=self.assets,
            share_sessions=ShareSessions(b"secret", self.clock),
            passwords=PlainPasswords(),
            job_feed=self.job_feed,
            object_work=self.object_work,  # type: ignore[arg-type]  # read only here
            feed=self.feed,  # type: ignore[arg-type]  # the API asks its time only
            generations=self.generations,
            dead_letters=self.dead_letters,
            index_requests=self.index_requests,
            sweeps=self.sweeps,
            reconciles=self.reconciles,
            usage=self.usage,
            rollups=self.rollups,
            search_log=self.search_log,
            api_keys=self.api_keys,
            audit=self.audit,
            web_tokens=self.web_tokens,
            index_status=self.index_status,
            store=self.store,
            links=LinkSigner(b"secret", self.clock),
            index_admin=self.index_admin,  # type: ignore[arg-type]
            search=self.search,
            ensure_indexes=lambda: None,
            ensure_late_indexes=lambda: None,
            ping_mongo=self.ping_mongo,
            jsonable=json_value,
            close=lambda: None,
            **unused,
        )

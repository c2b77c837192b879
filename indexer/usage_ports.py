"""What the sweeps over the use of assets stand on."""

from dataclasses import dataclass
from datetime import timedelta

from catalog.access_logs import LogSource
from catalog.repositories.rollups import RollupRepository
from catalog.repositories.usage import UsageRepository
from catalog.repositories.usage_logs import UsageLogRepository


@dataclass(frozen=True, slots=True)
class UsagePorts:
    """Ports and settings of the sweeps over use.

    Attributes:
        usage: The counts.
        files: The books on access logs.
        sources: Where access logs lie; none without.
        buckets: Names of the bucket whose access logs tell of our store.
        logs_every: How often access logs are looked for.
        rollups: What owners' assets amount to.
        rollup_every: How often that is added up.
    """

    usage: UsageRepository
    files: UsageLogRepository
    sources: tuple[LogSource, ...]
    buckets: frozenset[str]
    logs_every: timedelta
    rollups: RollupRepository
    rollup_every: timedelta

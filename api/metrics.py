"""What the API counts, for Prometheus; one registry per application."""

from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from catalog.repositories.index_state import IndexStatus
from catalog.services.index_monitor import UNKNOWN, IndexState

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class _IndexGauges(Collector):
    """What the indexer's last heartbeat told; absent while that is not known."""

    def __init__(self) -> None:
        self.status: IndexStatus | None = None
        self.state: IndexState = UNKNOWN

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, meaning, value in self._figures():
            if value is not None:
                yield GaugeMetricFamily(f"catalog_index_{name}", meaning, value=value)

    def _figures(self) -> Iterator[tuple[str, str, float | None]]:
        lag_ms, generation = self.state.lag_ms, self.state.generation
        # Alarm when it stays above some seconds; grows while the indexer is away.
        lag = None if lag_ms is None else lag_ms / 1000
        yield "lag_seconds", "Age of the oldest change not searchable yet.", lag
        # Changes at each rebuild and rollback; 0 while none serves.
        yield "generation", "Number of the generation that serves.", generation
        if self.status is None:
            return
        # Alarm when above 0 for long: reconciling found what should not be.
        drift = self.status.drift
        yield "drift", "Differences to the record that are not repaired yet.", drift
        # A figure to look at: each needs somebody to mend a record or file.
        letters = self.status.dead_letters
        yield "dead_letters", "Roots that can't be indexed as they are.", letters
        # High for long means that something is looked at again in vain.
        yield "dirty", "Roots that wait to be looked at again.", self.status.dirty
        # Warn below 0.5: at 0 changes are lost and everything is looked at again.
        headroom = self.status.headroom
        yield "headroom_ratio", "Share of the oplog's window that is left.", headroom


class ApiMetrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        """Register everything anew, so that applications don't share counters."""
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        # Answers by method, route template and status: traffic and error rate.
        self._requests = Counter(
            "catalog_api_requests",
            "Answers given.",
            ("method", "route", "status"),
            registry=registry,
        )
        # Time to the last byte by route template, streams apart.
        self._seconds = Histogram(
            "catalog_api_request_seconds",
            "Time to the last byte.",
            ("route",),
            buckets=_BUCKETS,
            registry=registry,
        )
        # Event streams that are open now: sockets that a deploy will cut.
        self.open_streams = Gauge(
            "catalog_api_open_streams", "Event streams open now.", registry=registry
        )
        # Breaks of the job feed: streams re-read what they follow after each.
        self.feed_breaks = Counter(
            "catalog_api_job_feed_breaks",
            "Times that the feed of job changes broke.",
            registry=registry,
        )
        self._index = _IndexGauges()
        registry.register(self._index)
        self._by_answer: dict[tuple[str, str, int], Counter] = {}
        self._by_route: dict[str, Histogram] = {}

    def count(
        self, method: str, route: str, status: int, seconds: float | None
    ) -> None:
        """Count one answer.

        Args:
            method: As sent; unknown ones are counted as ``other``.
            route: Template of the route, never the path itself.
            status: HTTP status.
            seconds: Time to the last byte; ``None`` for streams.
        """
        key = (method if method in _METHODS else "other", route, status)
        counter = self._by_answer.get(key)
        if counter is None:  # looking up by labels each time costs more than counting
            counter = self._by_answer[key] = self._requests.labels(*map(str, key))
        counter.inc()
        if seconds is None:
            return
        histogram = self._by_route.get(route)
        if histogram is None:
            histogram = self._by_route[route] = self._seconds.labels(route)
        histogram.observe(seconds)

    def tell_index(self, status: IndexStatus | None, state: IndexState) -> None:
        """Take over how far the index is, as ``IndexMonitor.glance`` tells it."""
        self._index.status, self._index.state = status, state

    def text(self) -> bytes:
        """Write all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

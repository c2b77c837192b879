"""What the API counts, for Prometheus; one registry per application."""

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

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


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

    def text(self) -> bytes:
        """Write all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

"""The rows of the schedule that are about the use of assets."""

from datetime import timedelta

from catalog.clock import Clock
from indexer.rollup import roll_up
from indexer.sweep_plan import Sweep
from indexer.usage_logs import UsageLogs
from indexer.usage_ports import UsagePorts

_LANE = "use"
_SOON = timedelta(minutes=1)


def usage_sweeps(ports: UsagePorts | None, clock: Clock) -> list[Sweep]:
    """List the sweeps; none without what they stand on."""
    if ports is None:
        return []
    return [
        Sweep(
            "usage",
            "counts downloads that the access logs of S3 and CloudFront tell of",
            ports.logs_every if ports.sources else timedelta(),
            UsageLogs(ports, clock).sweep,
            lane=_LANE,
            first_after=min(_SOON, ports.logs_every),
        ),
        Sweep(
            "rollup",
            "adds up every owner's assets, bytes, growth and duplicates",
            ports.rollup_every,
            lambda run: roll_up(ports.rollups, clock, run),
            lane=_LANE,
            first_after=min(_SOON, ports.rollup_every),
        ),
    ]

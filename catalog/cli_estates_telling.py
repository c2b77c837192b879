"""What ``catalog import`` and ``catalog export`` say: plans, progress, problems."""

import json
import sys
from collections.abc import Mapping

from catalog.cli_common import out, say
from catalog.clock import Clock
from catalog.estates.planning import Plan
from catalog.estates.progress import Event
from catalog.estates.scratch import Scratch

_NAMED = 50
"""Problems that the plan names; ``--json`` names all."""

_PLAIN_SECONDS = 5.0


class Teller:
    """Says how far it is: a line that is written over, plain lines, or JSON."""

    def __init__(self, clock: Clock, *, as_json: bool) -> None:
        """Speak; the clock tells when it is time for another plain line."""
        self._as_json = as_json
        self._clock = clock
        self._is_terminal = sys.stderr.isatty()
        self._told = clock.monotonic()
        self._is_open = False

    def __call__(self, event: Event) -> None:
        """Tell of an event."""
        if self._as_json:
            out(json.dumps(event, ensure_ascii=True))
        elif event["event"] == "problem":
            self.end_line()
            say(f"{_shown(event['path'])}: {event['reason']}")
        elif event["event"] == "progress":
            self._progress(event)

    def end_line(self) -> None:
        """Leave the line that is written over."""
        if self._is_open:
            sys.stderr.write("\n")
            self._is_open = False

    def _progress(self, event: Event) -> None:
        text = _progress_text(event)
        if self._is_terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
            self._is_open = True
        elif self._clock.monotonic() - self._told >= _PLAIN_SECONDS:
            self._told = self._clock.monotonic()
            say(text)


def show(plan: Plan, scratch: Scratch, teller: Teller, *, as_json: bool) -> None:
    """Show a plan, and what stands in its way."""
    if as_json:
        out(json.dumps(_plan_json(plan)))
        for problem in scratch.problems():
            teller({"event": "problem", "path": problem.path, "reason": problem.reason})
        return
    say(f"plan for {plan.what}:")
    for name, counts in (("to do", plan.new), ("there already", plan.there)):
        for kind, (count, size) in counts.items():
            say(f"  {name}: {count:,} {kind}{f' ({size_text(size)})' if size else ''}")
    if plan.begun:
        say(f"  begun before and not finished: {plan.begun:,} jobs")
    if plan.passed_over:
        found = (f"{count:,} {ending}" for ending, count in plan.passed_over.items())
        say(f"  passed over, no assets: {', '.join(list(found)[:20])}")
    say(f"  problems: {plan.problems:,}")
    for problem in scratch.problems(_NAMED):
        say(f"    {_shown(problem.path)}: {problem.reason}")
    if plan.problems > _NAMED:
        say(f"    … and {plan.problems - _NAMED:,} more (--json names all)")
    for note in plan.notes:
        say(f"  {note}")
    say(f"  it takes about {_duration(plan.seconds)}")


def _plan_json(plan: Plan) -> Mapping[str, object]:
    def counts(found: Mapping[str, tuple[int, int]]) -> dict[str, dict[str, int]]:
        return {k: {"count": n, "bytes": size} for k, (n, size) in found.items()}

    return {
        "event": "plan",
        "what": plan.what,
        "new": counts(plan.new),
        "there": counts(plan.there),
        "begun": plan.begun,
        "passedOver": plan.passed_over,
        "problems": plan.problems,
        "notes": list(plan.notes),
        "seconds": plan.seconds,
    }


def _progress_text(event: Event) -> str:
    eta = event["etaSeconds"]
    left = f", {_duration(float(str(eta)))} left" if eta is not None else ""
    names = ("bytes", "ofBytes", "bytesPerSecond")
    done, total, rate = (size_text(int(str(event[name]))) for name in names)
    files = f"{event['files']:,} of {event['ofFiles']:,} files"
    return f"{files}, {done} of {total}, {rate}/s{left}"


def size_text(size_bytes: int) -> str:
    """Write a size for people."""
    if size_bytes < 10**6:
        return f"{size_bytes / 1e3:.1f} kB"
    if size_bytes < 10**9:
        return f"{size_bytes / 1e6:.1f} MB"
    return f"{size_bytes / 1e9:.2f} GB"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _shown(path: object) -> str:
    """A path as one line that no terminal takes for an order."""
    return "".join(s if s.isprintable() else repr(s)[1:-1] for s in str(path))

"""``catalog up``: everything on one machine, started, watched and ended in order."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from os import getpid
from pathlib import Path

from catalog.clock import Clock
from catalog.errors import StackError
from catalog.local import demo_filling, http, replica_set, typesense_server
from catalog.local.child import Child
from catalog.local.data_directory import DataDirectory, StackState
from catalog.local.disk_watch import DiskWatch
from catalog.local.engines import (
    MONGODB,
    TYPESENSE,
    Engine,
    api_port,
    find_mongo,
    find_typesense,
)
from catalog.local.leftovers import end_leftovers
from catalog.local.logs import RotatingLog
from catalog.local.options import Commands, Facts, StackOptions
from catalog.local.our_processes import OurProcesses
from catalog.local.preflight import check_disk, free_bytes
from catalog.local.reporter import JournalReporter, Reporter
from catalog.local.signals import Stop
from catalog.local.supervisor import Supervisor, Watched
from catalog.local.upgrade import Upgrade, Versions, version_of
from catalog.local.waiting import StoppedError, Waiter
from catalog.repositories.index_state import IndexStatus

API, INDEXER = "api", "indexer"
_DISK_SECONDS = 5.0
_REMIND_SECONDS = 30.0
_DEATHS_BEFORE_GIVING_UP = 4
_OK = 200
# Seconds after SIGTERM at which stragglers are killed: all are gone within ten.
_OURS_GONE, _TYPESENSE_GONE, _MONGODB_GONE = 5.0, 7.5, 9.0

IndexReader = Callable[[Facts], IndexStatus | None]


def _versions_of(mongo: Engine, typesense: Engine) -> Versions:
    """What the bundled servers would write; nothing of servers that were given."""
    return Versions(
        mongod=version_of(Path(mongo.spec.command[0])) if mongo.spec else "",
        typesense=typesense_server.package_version() if typesense.spec else "",
    )


class Stack:
    """One machine, everything; lives on the main thread."""

    def __init__(
        self,
        options: StackOptions,
        reporter: Reporter,
        clock: Clock,
        *,
        read_index: IndexReader,
        commands: Commands | None = None,
        free: Callable[[], int] | None = None,
    ) -> None:
        """Prepare; nothing happens before ``run``.

        Args:
            options: See there.
            reporter: Told what happens.
            clock: Times waits and restarts.
            read_index: Reads the indexer's heartbeat; ``None`` when it cannot.
            commands: Our processes; tests replace them.
            free: Bytes free where the data directory is.
        """
        self._options = options
        self._commands = commands or Commands()
        self._clock = clock
        self._read_index = read_index
        self._directory = DataDirectory(options.data_dir)
        self._log = RotatingLog(self._directory.logs / "up.log")
        self._reporter = JournalReporter(reporter, self._log, clock)
        self._free = free or (lambda: free_bytes(self._directory.path))
        self._disk = DiskWatch(self._free)
        self._disk_due = 0.0
        self._supervisor = Supervisor(clock, self._reporter, on_change=self._note)
        self._demo: Child | None = None
        self._state = StackState()

    def run(self, stop: Stop, on_ready: Callable[[Facts], None]) -> None:
        """Start everything, keep it running until ``stop`` is set, end everything.

        Raises:
            StackError: It cannot start; the message says what to do. Nothing is left
                running.
        """
        self._directory.create()
        with self._directory.locked(self._clock):
            self._directory.check_whole()
            self._state = self._directory.read_state()
            end_leftovers(self._state.processes, self._reporter)
            warning = check_disk(self._directory.path, self._free())
            if warning:
                self._reporter.warn(warning)
            waiter = Waiter(self._clock, stop, self._tick)
            try:
                facts = self._start(waiter)
                self._note(phase="ready")
                on_ready(facts)
                while True:
                    waiter.step()
            except StoppedError:
                self._reporter.done(f"Stopping ({stop.reason}) …")
            finally:
                self._end()
            self._reporter.done("Stopped; the data is kept.")
            self._log.close()

    def kill(self) -> None:
        """End all children at once; for a second Ctrl-C."""
        self._supervisor.kill()

    # --- start ---------------------------------------------------------------------

    def _start(self, waiter: Waiter) -> Facts:
        ports = dict(self._state.ports)
        port = api_port(self._options, ports)
        self._reporter.waiting("Looking for MongoDB and Typesense …")
        mongo = find_mongo(self._options, self._directory, ports, self._reporter)
        engine = find_typesense(self._options, self._directory, ports, self._reporter)
        ours = OurProcesses(
            self._options, self._directory, mongo=mongo, typesense=engine, port=port
        )
        self._state = StackState(
            ports=ports,
            pid=getpid(),
            started_at=self._clock.now().isoformat(timespec="seconds"),
            facts=ours.facts.as_json(),
            admin_token=ours.admin_token,
        )
        upgrade = Upgrade(
            self._directory.path, _versions_of(mongo, engine), self._reporter
        )
        upgrade.before_start(self._directory.typesense, mongo=self._directory.mongo)
        if engine.spec is not None:  # its directory may have been removed
            engine = find_typesense(
                self._options, self._directory, ports, self._reporter
            )
        self._note(phase="starting")
        self._start_engines([mongo, engine], waiter)
        if version := upgrade.needs_feature_version():
            replica_set.raise_feature_version(mongo.address, version)
        upgrade.after_start()
        self._start_ours(ours, waiter)
        if self._options.with_demo:
            self._fill(ours, waiter)
        return ours.facts

    def _start_ours(self, ours: OurProcesses, waiter: Waiter) -> None:
        """Start our processes; ready means that the API answers from an index."""
        since, facts = self._clock.now(), ours.facts
        watched = {
            name: self._supervisor.add(ours.spec(name, command))
            for name, command in self._commands.all_workers().items()
        }
        api = self._supervisor.add(ours.spec(API, self._commands.api, port=ours.port))
        self._until(
            lambda: _is_api_ready(facts), "Starting the API …", api, waiter, facts
        )
        self._reporter.done(f"API started on port {ours.port}.")
        self._until(
            lambda: self._is_index_serving(facts, since),
            "Looking at the index …",
            watched.get(INDEXER),
            waiter,
            facts,
        )
        self._reporter.done("The index serves.")

    def _is_index_serving(self, facts: Facts, since: datetime) -> bool:
        status = self._read_index(facts)
        return status is not None and status.beat_at >= since and status.generation > 0

    def _start_engines(self, engines: Sequence[Engine], waiter: Waiter) -> None:
        """Start them side by side, then wait for each."""
        started = [
            (each, self._supervisor.add(each.spec) if each.spec else None)
            for each in engines
        ]
        for each, watched in started:
            text = f"Starting {each.title} …"
            self._until(each.is_ready, text, watched, waiter, None)
            how = f"started on port {each.spec.port}" if each.spec else "found"
            self._reporter.done(f"{each.title} {how}.")

    def _until(
        self,
        is_ready: Callable[[], bool],
        text: str,
        watched: Watched | None,
        waiter: Waiter,
        facts: Facts | None,
    ) -> None:
        """Wait for readiness; gives up when the child dies again and again.

        A long build or a long replay is no reason to give up: it is told instead.
        """
        remind_at = self._clock.monotonic() + _REMIND_SECONDS
        while not is_ready():
            self._reporter.waiting(self._progress(facts) or text)
            waiter.step()
            if watched is not None:
                _give_up_on(watched)
            if self._clock.monotonic() >= remind_at:
                remind_at += _REMIND_SECONDS
                self._reporter.done(f"Still: {text} {_why_not_ready(facts)}")

    def _progress(self, facts: Facts | None) -> str | None:
        status = self._read_index(facts) if facts else None
        if status is None or not status.total or status.state == "serving":
            return None
        share = min(100, 100 * status.done // status.total)
        return (
            f"Building the index: {status.done:,} of {status.total:,} jobs "
            f"({share} %) …"
        )

    def _fill(self, ours: OurProcesses, waiter: Waiter) -> None:
        command = (*self._commands.demo, ours.facts.api)
        self._demo = Child(ours.spec("demo", command), self._clock)
        demo_filling.fill(
            self._demo,
            lambda: self._read_index(ours.facts),
            waiter,
            self._reporter,
            self._clock,
        )
        self._demo = None

    # --- while it runs, and the end -------------------------------------------------

    def _tick(self) -> None:
        self._supervisor.tick()
        if self._clock.monotonic() >= self._disk_due:
            self._disk_due = self._clock.monotonic() + _DISK_SECONDS
            self._look_at_disk()

    def _look_at_disk(self) -> None:
        was_full = self._disk.is_full
        news = self._disk.look()
        if news:
            self._reporter.warn(news)
        if was_full and not self._disk.is_full:
            self._note()  # what could not be written down before
            # after a failed write the engine's log stays in an error state
            self._reporter.done("Restarting Typesense, now that there is room.")
            self._supervisor.recycle(TYPESENSE)
            self._supervisor.retry_now()

    def _end(self) -> None:
        self._note(phase="stopping")
        if self._demo is not None:
            self._demo.kill()
            self._demo.wait(1.0)
            self._demo.finish()
        self._supervisor.stop(
            [
                ((API,), _OURS_GONE),
                ((TYPESENSE,), _TYPESENSE_GONE),
                ((MONGODB,), _MONGODB_GONE),
            ]
        )
        self._state = replace(self._state, pid=None)
        self._note(phase="stopped")

    def _note(self, phase: str | None = None) -> None:
        """Write down what runs; on a full disk the old note stays."""
        self._state = replace(
            self._state,
            phase=phase or self._state.phase,
            processes=self._supervisor.states(),
        )
        with suppress(OSError):
            self._directory.write_state(self._state)


def _is_api_ready(facts: Facts) -> bool:
    answer = http.ask(f"{facts.api}/health/ready")
    return answer is not None and answer.status == _OK


def _why_not_ready(facts: Facts | None) -> str:
    answer = http.ask(f"{facts.api}/health/ready") if facts else None
    if answer is None:
        return "(no answer yet)"
    return f"(it says: {answer.body[:500].decode(errors='replace')})"


def _give_up_on(watched: Watched) -> None:
    """Stop trying what can't work; a full disk is waited for instead."""
    deaths = watched.backoff.failures
    if deaths < _DEATHS_BEFORE_GIVING_UP or watched.died_of_full_disk:
        return
    raise StackError(
        f"{watched.spec.name} ended {deaths} times while starting. Its log: "
        f"{watched.spec.log}\nIts last words:\n{watched.last_words}"
    )

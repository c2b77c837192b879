"""Real processes of a line of Python; nobody listens on anything."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import psutil

from catalog.clock import ManualClock, SystemClock
from catalog.local import leash
from catalog.local.child import Child, ChildSpec, how_it_ended
from catalog.local.supervisor import Supervisor
from tests.unit.local.fakes import NOW, Notes, python

SLEEP = "import time; time.sleep(600)"
READY_SLEEP = "import time; print('up', flush=True); time.sleep(600)"
IGNORES_SIGTERM = (
    "import signal, time; signal.signal(15, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(600)"
)
PARENT = """
import sys, time
from pathlib import Path
from catalog.clock import SystemClock
from catalog.local import leash
from catalog.local.child import Child, ChildSpec

spec = ChildSpec("x", (sys.executable, "-c", sys.argv[1]), Path(sys.argv[2]))
child = Child(spec, SystemClock())
while not child.tail:
    time.sleep(0.01)
print(child.pid, flush=True)
time.sleep(600)
"""
WAITING = SystemClock()


def wait_for(look: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = WAITING.monotonic() + seconds
    while not look():
        assert WAITING.monotonic() < deadline
        WAITING.wait(Event(), 0.01)


def test_a_child_is_restarted_only_when_its_wait_is_over(tmp_path: Path) -> None:
    clock, notes = ManualClock(NOW), Notes()
    supervisor = Supervisor(clock, notes)
    watched = supervisor.add(python("raise SystemExit(3)", tmp_path / "log"))
    assert watched.child is not None
    watched.child.wait(10)

    supervisor.tick()
    clock.advance(0.4)
    supervisor.tick()
    assert not watched.is_running
    clock.advance(0.2)
    supervisor.tick()

    assert watched.child is not None
    assert watched.restarts == 1
    assert "ended with exit code 3; starting it again in 0.5 s" in notes.warnings[0]
    assert "worker started again" in notes.done_texts[0]
    supervisor.stop([((), 5.0)])


def test_waits_grow_and_last_words_are_kept(tmp_path: Path) -> None:
    clock, notes = ManualClock(NOW), Notes()
    supervisor = Supervisor(clock, notes)
    watched = supervisor.add(
        python("print('no such table'); raise SystemExit(1)", tmp_path / "log")
    )

    for _ in range(3):
        assert watched.child is not None
        watched.child.wait(10)
        supervisor.tick()
        clock.advance(30)
        supervisor.tick()

    assert ["0.5 s" in notes.warnings[0], "1 s" in notes.warnings[1]] == [True, True]
    assert "in 2 s" in notes.warnings[2]
    assert watched.last_words == "no such table"
    assert (tmp_path / "log").read_text().startswith("no such table\n")
    supervisor.stop([((), 5.0)])


def test_a_death_by_full_disk_is_said_in_plain_words(tmp_path: Path) -> None:
    clock, notes = ManualClock(NOW), Notes()
    supervisor = Supervisor(clock, notes)
    code = "import sys; sys.exit('IO error: No space left on device')"
    watched = supervisor.add(python(code, tmp_path / "log", name="typesense"))
    assert watched.child is not None
    watched.child.wait(10)

    supervisor.tick()

    assert watched.died_of_full_disk
    assert "typesense" in notes.warnings[0]
    assert "ended because the disk is full; starting it again" in notes.warnings[0]


def test_a_program_that_is_not_there_is_tried_again_and_said(tmp_path: Path) -> None:
    clock, notes = ManualClock(NOW), Notes()
    supervisor = Supervisor(clock, notes)
    watched = supervisor.add(ChildSpec("api", ["/no/such/program"], tmp_path / "log"))
    assert watched.child is not None
    watched.child.wait(10)

    supervisor.tick()

    assert watched.last_words == "/no/such/program: No such file or directory"


def test_groups_end_in_order_and_stragglers_are_killed(tmp_path: Path) -> None:
    ended: list[frozenset[str]] = []
    notes, clock = Notes(), SystemClock()
    supervisor = Supervisor(
        clock, notes, on_change=lambda: ended.append(frozenset(supervisor.states()))
    )
    specs = {
        "mongodb": READY_SLEEP,
        "typesense": READY_SLEEP,
        "api": IGNORES_SIGTERM,
        "indexer": READY_SLEEP,
    }
    children = [
        supervisor.add(python(code, tmp_path / name, name)).child
        for name, code in specs.items()
    ]
    wait_for(lambda: all(child is not None and child.tail for child in children))
    ended.clear()

    began = clock.monotonic()
    supervisor.stop([(("api",), 0.5), (("typesense",), 2.0), (("mongodb",), 3.0)])

    assert clock.monotonic() - began < 3.0
    assert ended == [{"mongodb", "typesense"}, {"mongodb"}, set()]
    assert notes.warnings == ["api had to be killed."]


def test_a_child_ends_with_its_parent_even_when_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, IGNORES_SIGTERM, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert psutil.pid_exists(child)

    parent.kill()
    parent.wait()
    parent.stdout.close()

    wait_for(lambda: not _runs(child))


def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys;"
        "print(subprocess.Popen([sys.executable, '-c', "
        f"{SLEEP!r}]).pid, flush=True)"
    )
    child = Child(python(code, tmp_path / "log"), SystemClock())
    child.wait(10)
    wait_for(lambda: bool(child.tail))
    grandchild = int(child.tail)

    child.finish()

    wait_for(lambda: not _runs(grandchild))


def test_exit_codes_are_said_in_words() -> None:
    assert how_it_ended(0) == "exit code 0"
    assert how_it_ended(-signal.SIGSEGV) == "SIGSEGV"
    assert how_it_ended(-63) == "signal 63"


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_leash_refuses_when_the_parent_is_gone_already() -> None:
    answer = subprocess.run(
        [sys.executable, "-I", "-S", str(leash.__file__), "1", sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )

    assert os.getpid() != 1
    assert answer.returncode == 1
    assert "ended already" in answer.stderr

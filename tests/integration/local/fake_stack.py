"""``catalog up`` with real servers and stand-ins for our own processes.

Run as a process of its own, so that tests can kill it.
"""

import argparse
import json
import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from catalog.cli import stack_options
from catalog.clock import SystemClock
from catalog.config import Settings
from catalog.errors import StackError
from catalog.local import signals
from catalog.local.options import Commands, Facts
from catalog.local.reporter import TerminalReporter
from catalog.local.stack import Stack
from catalog.repositories.index_state import IndexStatus

SLEEPER = "import time; print('indexing', flush=True); time.sleep(3600)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(3600)"
DEMO = (
    "import os, pathlib; print('drawing 60 images');"
    "pathlib.Path(os.environ['CATALOG_DATA_DIR'], 'demo').write_text('made')"
)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--stubborn", action="store_true")
    parser.add_argument("--mongo-uri")
    parser.add_argument("--typesense-url")
    parser.add_argument("--typesense-api-key")
    chosen = parser.parse_args()
    options = stack_options(
        Settings(data_dir=chosen.data_dir, port=chosen.port), with_demo=chosen.demo
    )
    stack = Stack(
        replace(
            options,
            mongo_uri=chosen.mongo_uri,
            typesense_url=chosen.typesense_url,
            typesense_api_key=chosen.typesense_api_key,
        ),
        TerminalReporter(Console(stderr=True)),
        SystemClock(),
        read_index=_always_idle,
        commands=Commands(
            api=(sys.executable, str(Path(__file__).with_name("fake_api.py"))),
            workers={
                "indexer": (
                    sys.executable,
                    "-c",
                    STUBBORN if chosen.stubborn else SLEEPER,
                )
            },
            demo=(sys.executable, "-c", DEMO),
        ),
    )
    stop = signals.Stop()
    try:
        with signals.stopping(stop, on_repeat=stack.kill):
            stack.run(stop, _announce)
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _announce(facts: Facts) -> None:
    sys.stdout.write(json.dumps(facts.as_json()) + "\n")
    sys.stdout.flush()


def _always_idle(_facts: Facts) -> IndexStatus:
    return IndexStatus(
        generation=1,
        state="serving",
        lag_ms=0,
        applied=0,
        done=0,
        total=0,
        dirty=0,
        dead_letters=0,
        is_degraded=False,
        documents={"assets": os.getpid()},
        beat_at=SystemClock().now() + timedelta(seconds=2),
    )


if __name__ == "__main__":
    sys.exit(main())

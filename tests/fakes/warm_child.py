"""A child of the engines on diffusers that does many tasks, since torch loads slowly.

What it runs is what the real children run; their limits and their end are tested with
real ones.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typing_extensions import override

from catalog.clock import Clock
from processors.engine import EngineError, Work
from processors.engines.child import ChildLimits

ROOT = Path(__file__).resolve().parents[2]


class WarmChild:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.warm_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )

    def run(
        self,
        module: str,
        task: Mapping[str, Any],
        limits: ChildLimits | None = None,
        work: Work | None = None,
        clock: Clock | None = None,
    ) -> dict[str, Any]:
        del limits, work, clock
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"module": module, "task": task}) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        if "failed" in said:
            raise EngineError(*said["failed"], is_retryable=False)
        return dict(said["made"])

    def close(self) -> None:
        self._process.communicate()


def _main() -> None:
    from processors.engines.child_side import ChildFailedError, Parent  # noqa: PLC0415
    from processors.engines.local_images_child import generate  # noqa: PLC0415
    from processors.engines.local_training_child import train  # noqa: PLC0415
    from processors.engines.tiny_model import build  # noqa: PLC0415

    class Deaf(Parent):
        def __init__(self) -> None:
            pass

        @override
        def tell(self, done: float, percent: float | None = None) -> None:
            del done, percent

    makes = {"local_images_child": generate, "local_training_child": train}
    for line in sys.stdin:
        order = json.loads(line)
        name, task = order["module"].rpartition(".")[2], order["task"]
        try:
            if name == "tiny_model":
                build(Path(task["directory"]), seed=task["seed"])
                said: dict[str, Any] = {"made": {}}
            else:
                said = {"made": makes[name](task, Deaf())}
        except ChildFailedError as error:
            said = {"failed": [error.code, error.message]}
        print(json.dumps(said), flush=True)  # noqa: T201


if __name__ == "__main__":
    _main()

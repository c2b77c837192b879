"""A child of an engine that misbehaves in the way its task names."""

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from processors.engines.child_side import ChildFailedError, Parent, serve

_FOREVER = threading.Event()


def work(task: Mapping[str, Any], parent: Parent) -> Mapping[str, Any]:
    match task["does"]:
        case "echo":
            print("a library prints this")  # noqa: T201  (that is what it must survive)
            parent.tell(1.0, 41.7)
            return {"said": task["says"], "environment": dict(os.environ)}
        case "fail":
            raise ChildFailedError("source_unreadable", "It is not what it seems.")
        case "hang":
            grandchild = subprocess.Popen(["/bin/sleep", "600"])
            Path("pids").write_text(f"{os.getpid()} {grandchild.pid}\n")
            parent.tell(1.0, 5)
            _FOREVER.wait()
        case "burn":
            while True:
                pass
        case "eat":
            return {"bytes": len(bytearray(1 << 40))}
        case "crash":
            ctypes.string_at(0)
        case "raise":
            raise LookupError(task["does"])
        case "flood":
            os.write(parent.fileno(), b"x" * (3 << 20))
            _FOREVER.wait()
        case _:
            Path("big").write_bytes(bytes(2 << 20))
    return {}


if __name__ == "__main__":
    sys.exit(serve(work))

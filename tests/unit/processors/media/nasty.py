"""Tasks that do what a broken or malicious file might make a decoder do."""

import ctypes
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def fine(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    (folder / "made.txt").write_bytes(source.read_bytes()[:10])
    return {"pid": os.getpid(), "options": dict(options)}


def spin(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    del source, folder, options
    while True:
        pass


def rest(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    del source, folder, options
    signal.pause()
    return {}


def eat(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    del source, folder, options
    return {"eaten": len(bytearray(2**30))}


def crash(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    del source, folder, options
    ctypes.string_at(0)
    return {}


def leave(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    del source, folder, options
    os._exit(7)


def shout(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    del source, folder, options
    os.write(1, b'{"facts":{"forged":true}}\n')
    sys.stderr.write("noise\n")
    return {"is_forged": False}


def fill(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    del source, options
    with (folder / "huge").open("wb") as file:
        for _ in range(100):
            file.write(bytes(2**20))
    return {}


def chatter(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    del source, folder, options
    return {"talk": "x" * 5_000_000}


def look(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    del source, folder, options
    opened = Path("/proc/self/fd").iterdir()
    return {
        "descriptors": len(list(opened)),
        "environment": sorted(os.environ),
        "group": os.getpgid(0),
    }


def err(source: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    del source, folder, options
    message = "a mistake of ours"
    raise LookupError(message)

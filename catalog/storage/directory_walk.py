"""Lists the files of a directory as S3 lists keys: whole or not at all, in order."""

import os
import stat
from collections.abc import Iterator

from catalog.errors import DependencyUnavailableError, InvalidObjectKeyError
from catalog.models.ids import ObjectKey
from catalog.storage.keys import check_key

STORAGE = "storage"


def unavailable(exc: OSError) -> DependencyUnavailableError:
    """Say what keeps the directory from working."""
    return DependencyUnavailableError(STORAGE, exc.strerror or str(exc))


def root_state(root: str) -> tuple[int, int]:
    """Identify the directory that is at ``root`` now.

    Raises:
        DependencyUnavailableError: There is none, or it is out of reach.
    """
    try:
        state = os.stat(root)  # noqa: PTH116  (text paths: this is the hot road)
    except OSError as exc:
        raise unavailable(exc) from exc
    if not stat.S_ISDIR(state.st_mode):
        raise DependencyUnavailableError(STORAGE, f"{root} is not a directory")
    return state.st_dev, state.st_ino


def walk(
    root: str, prefix: str, *, temp_folder: str
) -> Iterator[tuple[ObjectKey, os.stat_result]]:
    """Walk all regular files whose key starts with ``prefix``, ordered by key bytes.

    Files whose path is no valid key (not UTF-8, too long) are passed over, and so are
    symbolic links that lead to a directory or out of ``root``.

    Raises:
        DependencyUnavailableError: The walk is not the whole.
    """
    before = root_state(root)
    start = prefix[: prefix.rfind("/") + 1]
    if start and (
        not _is_key(start[:-1])
        or start.startswith(temp_folder + "/")
        or os.path.realpath(root + start) != root + start[:-1]
    ):
        return
    levels = [iter(_children(root, start, prefix, temp_folder))]
    while levels:
        child = next(levels[-1], None)
        if child is None:
            levels.pop()
        elif child.endswith("/"):
            levels.append(iter(_children(root, child, prefix, temp_folder)))
        elif (state := _regular(root, child)) is not None:
            yield check_key(child), state
    if root_state(root) != before:
        raise DependencyUnavailableError(STORAGE, f"{root} was replaced meanwhile")


def _children(root: str, folder: str, prefix: str, temp_folder: str) -> list[str]:
    """List one folder: keys of files, keys of folders with a final slash."""
    names: list[str] = []
    try:
        with os.scandir(root + folder) as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                names.append(folder + entry.name + ("/" if is_folder else ""))
    except (FileNotFoundError, NotADirectoryError):
        root_state(root)  # a folder may vanish while we walk; the root may not
        return []
    except OSError as exc:
        raise unavailable(exc) from exc
    wanted = [
        name
        for name in names
        if (name.startswith(prefix) or prefix.startswith(name))
        and _is_key(name.removesuffix("/"))
        and name != temp_folder + "/"
    ]
    return sorted(wanted, key=str.encode)


def _regular(root: str, key: str) -> os.stat_result | None:
    path = root + key
    try:
        state = os.lstat(path)
        if stat.S_ISLNK(state.st_mode):
            if not os.path.realpath(path).startswith(root):
                return None
            state = os.stat(path)  # noqa: PTH116
    except OSError:  # gone meanwhile, or a link that leads nowhere
        root_state(root)
        return None
    return state if stat.S_ISREG(state.st_mode) else None


def _is_key(name: str) -> bool:
    try:
        check_key(name)
    except InvalidObjectKeyError:
        return False
    return True

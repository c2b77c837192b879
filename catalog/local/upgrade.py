"""What a data directory was written by, and how it comes to another version.

MongoDB goes one major release at a time and keeps its feature version until it has
started well; Typesense's files are disposable and made anew. A crash in between is
taken up at the next start: what was begun is noted before it is done.
"""

import json
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from catalog.errors import StackError
from catalog.local.reporter import Reporter

LAYOUT = 1
"""Of the data directory itself."""

_FILE = "versions.json"
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")
_VERSION_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Versions:
    """Who wrote a data directory; empty where its files are not there yet.

    Attributes:
        layout: Of the directory.
        mongod: Release of MongoDB, such as ``6.0.5``.
        typesense: Release of the package that Typesense comes in, such as ``0.3.0``
            (its program does not tell its own).
        rebuilding: Typesense's files are being replaced (a start was interrupted).
    """

    layout: int = LAYOUT
    mongod: str = ""
    typesense: str = ""
    rebuilding: bool = False


_FIRST_RELEASE = Versions(mongod="6.0.5", typesense="0.3.0")


class Upgrade:
    """Brings one data directory to the bundled servers of this installation."""

    def __init__(self, path: Path, present: Versions, reporter: Reporter) -> None:
        """Touch nothing yet.

        Args:
            path: Of the data directory.
            present: What would run now; empty where another server is used.
            reporter: Told what is done.
        """
        self._path = path
        self._present = present
        self._reporter = reporter

    def before_start(self, typesense: Path, *, mongo: Path) -> None:
        """Check, and replace what is disposable.

        Args:
            typesense: Directory of Typesense's files.
            mongo: Directory of MongoDB's files.

        Raises:
            StackError: The directory was written by something that this can't follow;
                says by what, and what to do.
        """
        kept, present = noted(self._path), self._present
        if kept is None:
            # Said before anything is written: should this start be interrupted, the
            # next must not take its files for those of the first release.
            kept = self._unnoted(typesense, mongo)
            note(self._path, kept)
        if kept.mongod and present.mongod:
            self._check_mongod(kept.mongod, present.mongod)
        is_other = kept.rebuilding or kept.typesense not in {"", present.typesense}
        if is_other and present.typesense:
            self._reporter.warn(
                f"Typesense comes from package {present.typesense} now and came from "
                f"{kept.typesense}: its files are removed, and the index is built anew "
                "(records and the store are not touched)."
            )
            note(self._path, replace(kept, rebuilding=True))
            _remove(typesense / "data")
            note(
                self._path, replace(kept, rebuilding=False, typesense=present.typesense)
            )

    def needs_feature_version(self) -> str | None:
        """The feature version that MongoDB should be told, if it has not been yet.

        Asked once it has started well: from then on the release before can't read
        its files any more.
        """
        kept, present = self._read(), self._present.mongod
        if not present or not kept.mongod or _major(kept.mongod) == _major(present):
            return None
        return "{}.{}".format(*_major(present))

    def after_start(self) -> None:
        """Note who writes the directory from now on."""
        kept, present = self._read(), self._present
        note(
            self._path,
            replace(
                kept,
                layout=LAYOUT,
                mongod=present.mongod or kept.mongod,
                typesense=present.typesense or kept.typesense,
            ),
        )

    def _check_mongod(self, kept: str, present: str) -> None:
        was, now = _major(kept), _major(present)
        if now < was:
            raise StackError(
                f"{self._path} was written by MongoDB {kept}; the bundled one is "
                f"{present}, which can't read it. Install the newer package again, or "
                "restore a backup into an empty data directory."
            )
        if now[0] - was[0] > 1:
            raise StackError(
                f"{self._path} was written by MongoDB {kept}, and {present} only reads "
                f"what {was[0] + 1}.0 has written. Start it once with MongoDB "
                f"{was[0] + 1}.0, or `catalog backup` with the version before and "
                "`catalog restore` with this one."
            )
        if now != was:
            self._reporter.warn(
                f"MongoDB is {present} now and was {kept}. Once it has started well "
                "the release before can't read its files any more: if you have no "
                "backup, stop and make one."
            )

    def _unnoted(self, typesense: Path, mongo: Path) -> Versions:
        """Tell who wrote a directory that does not say: the first release, or we."""
        first, present = _FIRST_RELEASE, self._present
        has_records = any(mongo.glob("*.wt"))
        has_index = any((typesense / "data").glob("*/*"))
        return Versions(
            mongod=first.mongod if has_records else present.mongod,
            typesense=first.typesense if has_index else present.typesense,
        )

    def _read(self) -> Versions:
        return noted(self._path) or Versions()


def noted(path: Path) -> Versions | None:
    """Read who wrote the data directory ``path``; ``None`` if it does not say.

    Raises:
        StackError: That can't be read, or a newer version of the catalog wrote it.
    """
    file = path / _FILE
    try:
        raw = json.loads(file.read_text())
        layout = raw["layout"]
        if layout <= LAYOUT:
            return _checked(Versions(**raw))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise StackError(f"{file} can't be read: {exc}.") from exc
    raise StackError(
        f"{path} was written by a newer version of the catalog (layout "
        f"{layout}, this one knows {LAYOUT}). Install that version."
    )


def note(path: Path, versions: Versions) -> None:
    """Write down who writes the data directory ``path``."""
    partial = (path / _FILE).with_suffix(".part")
    partial.write_text(json.dumps(asdict(versions), indent=1))
    partial.replace(path / _FILE)


def _checked(versions: Versions) -> Versions:
    """Refuse what somebody edited into nonsense.

    Raises:
        ValueError: A version is none.
    """
    for version in (versions.mongod, versions.typesense):
        if version and not _VERSION.match(version):
            message = f"{version!r} is not the version of a server"
            raise ValueError(message)
    return versions


def _remove(folder: Path) -> None:
    """Remove files of which half would be worse than all or none."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as exc:
        raise StackError(f"{folder} can't be removed: {exc}.") from exc


def _major(version: str) -> tuple[int, int]:
    match = _VERSION.search(version)
    if match is None:
        raise StackError(f"{version!r} is not the version of a server.")
    return int(match[1]), int(match[2])


def version_of(binary: Path) -> str:
    """Ask a server's program for its version.

    Raises:
        StackError: It does not say.
    """
    try:
        told = subprocess.run(  # noqa: S603  (the bundled program)
            [str(binary), "--version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise StackError(f"{binary} can't be run: {exc}.") from exc
    match = _VERSION.search(told)
    if match is None:
        raise StackError(f"{binary} does not tell its version.")
    return match[0].removeprefix("v")

"""``python -m catalog.demo``: fills an empty catalog with assets to look at."""

import sys

from catalog.bootstrap import open_catalog
from catalog.config import Settings
from catalog.demo.fill import fill
from catalog.errors import CatalogError

_EVERY = 10


def _say(done: int, total: int) -> None:
    if done % _EVERY == 0 or done == total:
        sys.stdout.write(f"demo: {done} of {total} jobs\n")
        sys.stdout.flush()


def main() -> int:
    """Fill the catalog that the environment names.

    Returns:
        0 when it is filled or was not empty, 1 when a server or setting was at fault.
    """
    try:
        catalog = open_catalog(Settings(), process="demo")
        try:
            summary = fill(catalog.jobs, catalog.store, catalog.clock, progress=_say)
        finally:
            catalog.close()
    except CatalogError as exc:
        sys.stderr.write(f"demo: {exc}\n")
        return 1
    if not summary.was_empty:
        sys.stdout.write("demo: the catalog is not empty, nothing was added\n")
        return 0
    counts = ", ".join(f"{count} {type_}" for type_, count in summary.jobs.items())
    sys.stdout.write(
        f"demo: made {counts} jobs with {summary.files} files, "
        f"{summary.size_bytes / 1e6:.1f} MB\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m catalog.demo [API]``: fills an empty catalog with assets to look at.

With the address of an API it also submits a job that writes a recording down.
"""

import sys
from collections.abc import Sequence

from catalog.bootstrap import open_catalog
from catalog.config import Settings
from catalog.demo.fill import fill
from catalog.demo.transcribing import submit, why_not
from catalog.errors import CatalogError
from catalog.graph import Catalog

_EVERY = 10


def _say(text: str) -> None:
    sys.stdout.write(f"demo: {text}\n")
    sys.stdout.flush()


def _count(done: int, total: int) -> None:
    if done % _EVERY == 0 or done == total:
        _say(f"{done} of {total} jobs")


def main(arguments: Sequence[str] = ()) -> int:
    """Fill the catalog that the environment names.

    Args:
        arguments: The address of its API, for the recording; empty for none.

    Returns:
        0 when it is filled or was not empty, 1 when a server or setting was at fault.
    """
    try:
        catalog = open_catalog(Settings(), process="demo")
        try:
            summary = fill(catalog.jobs, catalog.store, catalog.clock, progress=_count)
            if not summary.was_empty:
                _say("the catalog is not empty, nothing was added")
                return 0
            counts = ", ".join(f"{n} {type_}" for type_, n in summary.jobs.items())
            megabytes = summary.size_bytes / 1e6
            _say(f"made {counts} jobs with {summary.files} files, {megabytes:.1f} MB")
            for api in arguments[:1]:
                _say(_transcribed(catalog, api))
        finally:
            catalog.close()
    except CatalogError as exc:
        sys.stderr.write(f"demo: {exc}\n")
        return 1
    return 0


def _transcribed(catalog: Catalog, api: str) -> str:
    settings = catalog.settings
    if reason := why_not(settings):
        return reason
    token = settings.admin_token if settings.auth == "token" else None
    secret = None if token is None else token.get_secret_value()
    try:
        return submit(catalog.store, api, secret, catalog.clock)
    except CatalogError as exc:  # the demo itself is made
        return f"no recording is transcribed: {exc}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

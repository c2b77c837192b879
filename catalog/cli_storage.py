"""What the ``catalog`` command does with the store itself."""

import argparse
import json
from datetime import timedelta

from catalog.cli_common import out
from catalog.config import Settings
from catalog.errors import DependencyRejectedError, StackError
from catalog.storage.base import ExpiresByRule, ObjectStore
from catalog.storage.keys import Area

TEMPORARY = f"{Area.TEMP}/"
LIFE = timedelta(days=1)


def temp_rule(chosen: argparse.Namespace, settings: Settings) -> int:
    """Have the store remove old files of ``temp/`` by itself."""
    # Imported only where it is needed: drivers cost every other command its start.
    from catalog.bootstrap import open_store  # noqa: PLC0415

    state, text = installed(open_store(settings) if settings.storage else None)
    out(json.dumps({"temp": state, "detail": text}) if chosen.json else text)
    return 0


def installed(store: ObjectStore | None) -> tuple[str, str]:
    """Install the rule where there is none.

    Args:
        store: ``None`` for the directory of ``catalog up``.

    Returns:
        ``installed present unneeded``, and the same for a person.

    Raises:
        StackError: The bucket's rules are not ours to change; says what to do.
        DependencyUnavailableError: The store did not answer.
    """
    if not isinstance(store, ExpiresByRule):
        text = f"The store is a directory: the indexer empties {TEMPORARY} by itself."
        return "unneeded", text
    try:
        is_new = store.expire(TEMPORARY, LIFE)
    except DependencyRejectedError as exc:
        message = (
            f"The rule for {TEMPORARY} could not be installed ({exc.detail}). It needs "
            "s3:GetLifecycleConfiguration and s3:PutLifecycleConfiguration, and a "
            "server that knows lifecycle rules; or add one yourself that expires the "
            f"prefix {TEMPORARY} after {LIFE.days} day."
        )
        raise StackError(message) from exc
    if is_new:
        text = (
            f"The bucket now removes what is older than {LIFE.days} day from "
            f"{TEMPORARY}; its other rules are as they were."
        )
        return "installed", text
    return "present", f"The bucket has such a rule for {TEMPORARY} already."

"""What the parts of the ``catalog`` command share: where the stack is, and speaking."""

import sys

from pydantic import SecretStr

from catalog.config import Settings
from catalog.errors import StackError
from catalog.local.data_directory import DataDirectory
from catalog.local.options import Facts


class NothingRunsError(StackError):
    """No stack runs on the data directory, and no other is named."""

    code = "nothing_runs"


def settings_for(settings: Settings, facts: Facts) -> Settings:
    """Point the settings at a running stack."""
    return Settings(
        **settings.model_dump()
        | {
            "mongo_uri": SecretStr(facts.mongo),
            "mongo_db": facts.mongo_db,
            "typesense_url": facts.typesense,
            "typesense_api_key": SecretStr(facts.typesense_api_key),
            "storage": facts.storage,
        }
    )


def facts_of(directory: DataDirectory) -> Facts:
    """Read how to reach the stack that runs on ``directory``.

    Raises:
        StackError: It has not got that far yet.
    """
    facts = Facts.from_json(directory.read_state().facts)
    if facts is None:
        raise StackError(f"The stack on {directory.path} is only just starting.")
    return facts


def out(text: str) -> None:
    """Write a line of the answer."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Write a line for the person who looks on."""
    sys.stderr.write(f"catalog: {text}\n")

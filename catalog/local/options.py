"""What the one-machine stack is started with, and the facts it answers with."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StackOptions:
    """Plain values; ``catalog.cli`` takes them from the settings.

    Attributes:
        data_dir: Where everything is kept.
        host: Address that the API listens on.
        port: Of the API; 0 means a free one, kept for the next start.
        mongo_uri: A server to use; ``None`` starts the bundled one.
        mongo_db: Database with the ``jobs`` records.
        typesense_url: A server to use; ``None`` starts the bundled one.
        typesense_api_key: Goes with ``typesense_url``.
        storage: ``s3://…`` or ``file://…``; ``None`` uses the data directory.
        admin_token: ``None`` uses the one made for this data directory.
        link_secret: Likewise.
        with_demo: Fill an empty catalog before it counts as ready.
        environment: What the children inherit.
    """

    data_dir: Path
    host: str
    port: int
    mongo_uri: str | None
    mongo_db: str
    typesense_url: str | None
    typesense_api_key: str | None
    storage: str | None
    admin_token: str | None
    link_secret: str | None
    with_demo: bool
    environment: Mapping[str, str]


# -P: a folder named ``api`` where the user happens to be must not be run instead.
_PYTHON = (sys.executable, "-P", "-m")


@dataclass(frozen=True, slots=True)
class Commands:
    """Our own processes; tests put others in their place.

    ``workers`` has every process that only needs to be kept running, by name.
    """

    api: Sequence[str] = (*_PYTHON, "api")
    workers: Mapping[str, Sequence[str]] | None = None
    demo: Sequence[str] = (*_PYTHON, "catalog.demo")

    def all_workers(self) -> Mapping[str, Sequence[str]]:
        """The workers to run: the indexer and jobs, when nothing else was said."""
        if self.workers is not None:
            return self.workers
        return {
            "indexer": (*_PYTHON, "indexer"),
            "processors": (*_PYTHON, "processors"),
        }


@dataclass(frozen=True, slots=True)
class Facts:
    """How to reach everything: the content of the ready line."""

    api: str
    mongo: str
    mongo_db: str
    typesense: str
    typesense_api_key: str
    storage: str

    def as_json(self) -> dict[str, str]:
        """Spell it as the ready line does."""
        return {
            "api": self.api,
            "mongo": self.mongo,
            "mongoDb": self.mongo_db,
            "typesense": self.typesense,
            "typesenseApiKey": self.typesense_api_key,
            "storage": self.storage,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, str]) -> "Facts | None":
        """Read what ``as_json`` wrote; ``None`` when it is not complete."""
        try:
            return cls(
                api=kept["api"],
                mongo=kept["mongo"],
                mongo_db=kept["mongoDb"],
                typesense=kept["typesense"],
                typesense_api_key=kept["typesenseApiKey"],
                storage=kept["storage"],
            )
        except KeyError:
            return None

"""How the API, the indexer and the demo are run, and with which environment."""

from collections.abc import Sequence

from catalog.local.child import ChildSpec
from catalog.local.data_directory import DataDirectory
from catalog.local.engines import Engine
from catalog.local.options import Facts, StackOptions

_OF_ONE_MACHINE = {"CATALOG_LEASE_SECONDS": "4"}
"""Beneath what the caller set: nobody stands by here, so an indexer that was killed is
followed by itself alone, and need not wait for long."""


class OurProcesses:
    """Builds the specs of our own processes; the servers and the port are settled."""

    def __init__(
        self,
        options: StackOptions,
        directory: DataDirectory,
        *,
        mongo: Engine,
        typesense: Engine,
        port: int,
    ) -> None:
        """Remember how to reach everything."""
        self._options = options
        self._directory = directory
        self.port = port
        self.facts = Facts(
            api=f"http://{_reachable(options.host)}:{port}",
            mongo=mongo.address,
            mongo_db=options.mongo_db,
            typesense=typesense.address,
            typesense_api_key=typesense.api_key,
            storage=options.storage or directory.storage.as_uri(),
        )
        secrets = directory.secrets()
        self.admin_token = options.admin_token or secrets.admin_token
        self._link_secret = options.link_secret or secrets.link_secret

    def spec(
        self, name: str, command: Sequence[str], *, port: int | None = None
    ) -> ChildSpec:
        """Describe one process; ``port`` is the one that it listens on."""
        facts = self.facts
        ours = {
            "CATALOG_MONGO_URI": facts.mongo,
            "CATALOG_MONGO_DB": facts.mongo_db,
            "CATALOG_TYPESENSE_URL": facts.typesense,
            "CATALOG_TYPESENSE_API_KEY": facts.typesense_api_key,
            "CATALOG_STORAGE": facts.storage,
            "CATALOG_HOST": self._options.host,
            "CATALOG_PORT": str(self.port),
            "CATALOG_ADMIN_TOKEN": self.admin_token,
            "CATALOG_LINK_SECRET": self._link_secret,
            "CATALOG_DATA_DIR": str(self._directory.path),
            "PYTHONUNBUFFERED": "1",
        }
        return ChildSpec(
            name=name,
            command=tuple(command),
            log=self._directory.logs / f"{name}.log",
            environment={**_OF_ONE_MACHINE, **self._options.environment, **ours},
            port=port,
        )


def _reachable(host: str) -> str:
    """Turn an address to listen on into one to call."""
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  (recognised, not bound)
    called = anywhere.get(host, host)
    return f"[{called}]" if ":" in called else called

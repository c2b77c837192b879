"""Finds MongoDB and Typesense: as given, else bundled ones under the data directory."""

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass

from catalog.errors import StackError
from catalog.local import mongod, replica_set, typesense_server
from catalog.local.child import ChildSpec
from catalog.local.data_directory import DataDirectory
from catalog.local.options import StackOptions
from catalog.local.ports import free_port, holder, is_free
from catalog.local.preflight import check_libraries, check_platform
from catalog.local.reporter import Reporter

MONGODB = "mongodb"
TYPESENSE = "typesense"


@dataclass(frozen=True, slots=True)
class Engine:
    """A server that the catalog stands on.

    Attributes:
        title: For people.
        address: URI or URL.
        api_key: Of Typesense; empty for MongoDB.
        spec: How to run it; ``None`` when it was given.
        is_ready: Brings it a step nearer to readiness and tells whether it is.
    """

    title: str
    address: str
    api_key: str
    spec: ChildSpec | None
    is_ready: Callable[[], bool]


def find_mongo(
    options: StackOptions,
    directory: DataDirectory,
    ports: MutableMapping[str, int],
    reporter: Reporter,
) -> Engine:
    """Take the given MongoDB, or prepare the bundled one.

    Raises:
        StackError: The given one cannot serve, or the bundled one cannot run here.
    """
    if options.mongo_uri is not None:
        replica_set.check(options.mongo_uri)
        return Engine("MongoDB", options.mongo_uri, "", None, lambda: True)
    check_platform()
    binary = mongod.find_binary()
    check_libraries("MongoDB", binary)
    port = kept_port(ports, "mongo", reporter)
    spec = ChildSpec(
        name=MONGODB,
        command=mongod.command(binary, directory.mongo, port),
        log=directory.logs / "mongodb.log",
        environment=_engine_environment(options.environment),
        port=port,
    )
    return Engine(
        "MongoDB",
        replica_set.uri_of(port),
        "",
        spec,
        lambda: replica_set.is_primary(port),
    )


def find_typesense(
    options: StackOptions,
    directory: DataDirectory,
    ports: MutableMapping[str, int],
    reporter: Reporter,
) -> Engine:
    """Take the given Typesense, or prepare the bundled one.

    Raises:
        StackError: The given one cannot serve, or the bundled one cannot run here.
    """
    if options.typesense_url is not None:
        if options.typesense_api_key is None:
            raise StackError(
                "CATALOG_TYPESENSE_URL is set; set CATALOG_TYPESENSE_API_KEY too."
            )
        url = options.typesense_url.rstrip("/")
        typesense_server.check(url, options.typesense_api_key)
        key = options.typesense_api_key
        return Engine("Typesense", url, key, None, lambda: True)
    check_platform()
    binary = typesense_server.ensure_binary(directory.typesense)
    check_libraries("Typesense", binary)
    port = kept_port(ports, "typesense", reporter)
    key = directory.secrets().typesense_api_key
    configuration = typesense_server.write_configuration(
        directory.typesense,
        port=port,
        peering_port=kept_port(ports, "typesensePeering", reporter),
        api_key=key,
    )
    spec = ChildSpec(
        name=TYPESENSE,
        command=typesense_server.command(binary, configuration),
        log=directory.logs / "typesense.log",
        environment=_engine_environment(options.environment),
        port=port,
    )
    url = f"http://127.0.0.1:{port}"
    return Engine("Typesense", url, key, spec, lambda: typesense_server.is_healthy(url))


def kept_port(ports: MutableMapping[str, int], name: str, reporter: Reporter) -> int:
    """Take the port of the last start, or another when that is taken now."""
    kept = ports.get(name)
    if kept is not None and is_free(kept):
        return kept
    port = free_port(other_than=set(ports.values()))
    if kept is not None:
        reporter.warn(
            f"Port {kept} ({name}) is taken by {holder(kept) or 'another process'}; "
            f"using {port} from now on."
        )
    ports[name] = port
    return port


def api_port(options: StackOptions, ports: MutableMapping[str, int]) -> int:
    """Choose the API's port.

    Raises:
        StackError: The wanted one is taken; says by whom.
    """
    if options.port == 0:
        kept = ports.get("api")
        if kept is None or not is_free(kept, options.host):
            kept = free_port(options.host, other_than=set(ports.values()))
            ports["api"] = kept
        return kept
    if is_free(options.port, options.host):
        return options.port
    raise StackError(
        f"Port {options.port} on {options.host} is taken by "
        f"{holder(options.port) or 'another process'}. Choose another with --port N "
        "(or CATALOG_PORT); --port 0 picks a free one."
    )


def _engine_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would configure Typesense behind our back, and our secrets."""
    ours = ("TYPESENSE_", "CATALOG_")
    return {k: v for k, v in environment.items() if not k.startswith(ours)}

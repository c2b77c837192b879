"""The ``catalog`` command. Starts processes as processes and imports none of them."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from secrets import token_hex, token_urlsafe
from typing import Any

from pydantic import SecretStr, ValidationError
from rich.console import Console

from catalog import (
    cli_backup,
    cli_estates,
    cli_index,
    cli_keys,
    cli_parser,
    cli_storage,
)
from catalog.cli_common import NothingRunsError, facts_of, out, say, settings_for
from catalog.clock import SystemClock
from catalog.config import Settings
from catalog.errors import CatalogError, StackError
from catalog.graph import Catalog
from catalog.local import signals, status
from catalog.local.data_directory import DataDirectory
from catalog.local.options import Facts, StackOptions
from catalog.local.reporter import TerminalReporter
from catalog.local.stack import Stack
from catalog.local.status_index import IndexBooks
from catalog.repositories.index_state import GenerationState, IndexStatus
from catalog.services.api_keys import ApiKeyService

_FAILED, _MISUSED, _NOT_RUNNING = 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; those of the process by default.

    Returns:
        The exit code: 0 done, 1 failed, 2 misused, 3 nothing runs.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without our signs
    chosen = make_parser().parse_args(arguments)
    try:
        run: cli_parser.Run = chosen.run
        return run(chosen, Settings(**_overrides(chosen)))
    except ValidationError as error:
        for problem in error.errors():
            name = "CATALOG_" + "_".join(map(str, problem["loc"])).upper()
            say(f"{name}: {problem['msg']}")
        return _MISUSED
    except NothingRunsError as error:
        say(str(error))
        return _NOT_RUNNING
    except CatalogError as error:
        say(str(error))
        return _FAILED


def make_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    return cli_parser.make_parser(
        {
            "up": _up,
            "status": _status,
            "reindex": _reindex,
            "reconcile": _reconcile,
            "rollback": _rollback,
            "schedule": _schedule,
            "dead-letters": _letters,
            "backup": cli_backup.back_up,
            "restore": cli_backup.restore,
            "temp-rule": cli_storage.temp_rule,
            "import": cli_estates.take_in,
            "export": cli_estates.give_out,
            "keys": _keys,
        }
    )


def _overrides(chosen: argparse.Namespace) -> dict[str, Any]:
    """Options beat the environment."""
    given = {name: getattr(chosen, name, None) for name in ("data_dir", "port", "host")}
    return {name: value for name, value in given.items() if value is not None}


# --- up ----------------------------------------------------------------------------


def _up(chosen: argparse.Namespace, settings: Settings) -> int:
    _check_exposure(settings)
    terminal = TerminalReporter(Console(stderr=True))
    stack = Stack(
        stack_options(settings, with_demo=chosen.demo),
        terminal,
        SystemClock(),
        read_index=IndexReader(settings),
    )
    stop = signals.Stop()

    def on_ready(facts: Facts) -> None:
        terminal.still()
        with suppress(OSError):  # whoever read our output may have gone
            _announce(facts, as_json=chosen.json)

    with signals.stopping(stop, on_repeat=stack.kill), terminal.moving():
        stack.run(stop, on_ready)
    return 0


def stack_options(settings: Settings, *, with_demo: bool) -> StackOptions:
    """Turn the settings into the plain values that the stack takes."""
    return StackOptions(
        data_dir=settings.data_dir,
        host=settings.host,
        port=settings.port,
        mongo_uri=_plain(settings.mongo_uri),
        mongo_db=settings.mongo_db,
        typesense_url=settings.typesense_url,
        typesense_api_key=_plain(settings.typesense_api_key),
        storage=settings.storage,
        admin_token=_plain(settings.admin_token),
        link_secret=_plain(settings.link_secret),
        with_demo=with_demo,
        environment=dict(os.environ),
    )


def _check_exposure(settings: Settings) -> None:
    if settings.auth == "token" or settings.allow_remote:
        return
    if _is_loopback(settings.host):
        return
    raise StackError(
        f"With CATALOG_AUTH=open whoever reaches the API sees everything, so it does "
        f"not listen on {settings.host}. Use a loopback address, or set "
        "CATALOG_ALLOW_REMOTE=true if the network is yours."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _announce(facts: Facts, *, as_json: bool) -> None:
    if as_json:
        out(json.dumps(facts.as_json(), separators=(",", ":")))
        return
    out(
        f"\n  The catalog is ready: {facts.api}   (docs: {facts.api}/docs)\n"
        f"\n  MongoDB     {facts.mongo}  database {facts.mongo_db}"
        f"\n  Typesense   {facts.typesense}"
        f"\n  Storage     {facts.storage}\n"
        f"\n  `catalog status` tells more; Ctrl-C stops everything.\n"
    )


# --- status, and what the indexer is asked ----------------------------------------


def _status(chosen: argparse.Namespace, settings: Settings) -> int:
    directory = DataDirectory(settings.data_dir)
    reader = IndexReader(settings)
    report = status.gather(
        directory,
        lambda: reader(facts_of(directory)),
        SystemClock(),
        read_books=lambda: reader.books(facts_of(directory)),
    )
    if chosen.json:
        out(json.dumps(report.as_json(), separators=(",", ":")))
    else:
        status.render(report, Console())
    if not report.is_running:
        return _NOT_RUNNING
    return 0 if report.is_all_up else _FAILED


@contextmanager
def _running_catalog(settings: Settings) -> Iterator[Catalog]:
    """Open the catalog that the command is about.

    Raises:
        NothingRunsError: There is none.
    """
    directory = DataDirectory(settings.data_dir)
    if settings.mongo_uri is None:
        if directory.holder() is None:
            raise NothingRunsError(
                f"Nothing runs on {directory.path}: start it with `catalog up`, or set "
                "CATALOG_MONGO_URI."
            )
        settings = settings_for(settings, facts_of(directory))
    from catalog.bootstrap import open_catalog  # noqa: PLC0415  (see IndexReader)

    catalog = open_catalog(settings, process="cli")
    try:
        yield catalog
    finally:
        catalog.close()


def _ask(
    chosen: argparse.Namespace, settings: Settings, question: cli_index.Question
) -> int:
    with _running_catalog(settings) as catalog:
        asked = cli_index.ask(catalog, question, wait=chosen.wait, tell=say)
    if chosen.json:
        out(json.dumps(asked.as_json()))
    elif asked.request.outcome is not None:
        out(asked.request.outcome)
    else:
        out("Asked for. `catalog status` shows how far it is.")
    return _FAILED if asked.has_failed else 0


def _reindex(chosen: argparse.Namespace, settings: Settings) -> int:
    return _ask(chosen, settings, lambda admin: admin.reindex())


def _reconcile(chosen: argparse.Namespace, settings: Settings) -> int:
    return _ask(
        chosen,
        settings,
        lambda admin: admin.reconcile(chosen.kinds, accept_losses=chosen.accept_losses),
    )


def _rollback(chosen: argparse.Namespace, settings: Settings) -> int:
    return _ask(chosen, settings, lambda admin: admin.rollback())


def _schedule(chosen: argparse.Namespace, settings: Settings) -> int:
    if chosen.run_sweep:
        return _ask(chosen, settings, lambda admin: admin.run_sweep(chosen.run_sweep))
    with _running_catalog(settings) as catalog:
        sweeps = catalog.sweeps.all()
    if chosen.json:
        out(json.dumps([cli_index.sweep_json(sweep) for sweep in sweeps]))
    else:
        cli_index.render_schedule(sweeps, Console())
    return 0


def _letters(chosen: argparse.Namespace, settings: Settings) -> int:
    if chosen.redrive:
        return _ask(chosen, settings, lambda admin: admin.redrive_one(chosen.redrive))
    if chosen.all:
        return _ask(chosen, settings, lambda admin: admin.redrive(stage=chosen.stage))
    with _running_catalog(settings) as catalog:
        found = cli_index.letters(catalog, chosen.stage, max(1, chosen.limit))
    if chosen.json:
        out(json.dumps([cli_index.letter_json(letter) for letter in found]))
    else:
        cli_index.render_letters(found, Console())
    return 0


def _keys(chosen: argparse.Namespace, settings: Settings) -> int:
    with _running_catalog(settings) as catalog:
        service = ApiKeyService(
            catalog.api_keys,
            catalog.clock,
            new_id=lambda: token_hex(8),
            new_secret=lambda: token_urlsafe(32),
        )
        cli_keys.run(chosen, service)
        return 0


class IndexReader:
    """Reads what the indexer writes down; keeps its connection."""

    def __init__(self, settings: Settings) -> None:
        """Connect at the first call, with ``settings`` and the stack's facts."""
        self._settings = settings
        self._catalog: Catalog | None = None

    def __call__(self, facts: Facts) -> IndexStatus | None:
        """Read it; ``None`` when MongoDB does not answer or none was written yet."""
        try:
            return self._opened(facts).index_status.read()
        except CatalogError:
            return None

    def books(self, facts: Facts) -> IndexBooks | None:
        """Read what it keeps beside its heartbeat; ``None`` as above."""
        catalog = self._opened(facts)
        dropped = GenerationState.DROPPED
        try:
            return IndexBooks(
                tuple(g for g in catalog.generations.all() if g.state is not dropped),
                catalog.index_requests.open(),
                catalog.sweeps.all(),
            )
        except CatalogError:
            return None

    def _opened(self, facts: Facts) -> Catalog:
        if self._catalog is None:
            # Imports all drivers: a second that `catalog --help` need not wait.
            from catalog.bootstrap import open_catalog  # noqa: PLC0415

            settings = settings_for(self._settings, facts)
            self._catalog = open_catalog(settings, process="cli")
        return self._catalog


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


if __name__ == "__main__":
    sys.exit(main())

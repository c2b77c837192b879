"""What the ``catalog`` command takes: its commands, their options and their help."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from catalog.cli_index import kinds
from catalog.cli_keys import permissions
from catalog.config import Settings
from catalog.services.administration import RECONCILE_KINDS

Run = Callable[[argparse.Namespace, Settings], int]
"""Does what a command says; returns the exit code."""

_DESCRIPTION = """\
Makes the LoRAs, images, transcripts and datasets of a content-generation platform
findable: by name, tag, prompt, facet and spoken word.
"""
_EXAMPLES = """\
examples:
  catalog up --demo            everything on this machine, with something to look at
  catalog up --port 0 --json   on a free port; one line of JSON when ready
  catalog status               what runs, where, and how far the index is
  catalog reindex --wait       build the search index anew while the old one serves
  catalog reconcile --wait     compare record, index and storage, mend what differs
  catalog keys create --user U make an API key
  catalog dead-letters         what could not be indexed as it is, and why

Settings come from the environment (CATALOG_…); docs/settings.md lists them.
"""
_UP = """\
Runs everything on this machine until Ctrl-C: MongoDB and Typesense (bundled ones,
unless CATALOG_MONGO_URI and CATALOG_TYPESENSE_URL name others), the indexer and the
API. All data, ports, keys and logs stay in the data directory. No second command is
needed.
"""
_STATUS = """\
Tells what runs on a data directory, on which ports, and how far the index is.
Exit code: 0 all is up, 1 something is down, 3 nothing runs.
"""
_REINDEX = """\
Asks the indexer to build the search index anew from MongoDB and storage. The old one
serves until the new one has proven itself; `catalog status` shows how far it is.
Exit code: 0 asked for (with --wait: done), 1 failed, 3 nothing runs.
"""
_RECONCILE = """\
Asks the indexer to compare record, read model, index and storage now, and to mend what
differs. It does so by itself all the time; what it finds is called drift, and the goal
is none.
"""
_ROLLBACK = """\
Points searches at the generation that served before the last reindex. It is kept in
step for CATALOG_ROLLBACK_SECONDS, so nothing is lost by going back.
"""
_SCHEDULE = """\
Shows what the indexer does on a schedule: when it ran, how it went, when it is next.
"""
_BACKUP = """\
Writes the records of one moment, the store's files and the secrets into a new
directory, while the stack runs or not. Typesense is not in it: after a restore the
index is built anew.
"""
_RESTORE = """\
Makes a data directory out of a backup. Everything is verified first; a directory that
is in the way is moved aside with --force, never deleted. Then: catalog up.
"""
_LETTERS = """\
Shows job records that can't be indexed as they are, newest first, or (--redrive, --all)
has the indexer look at them again. It does so every hour by itself.
"""
_TEMP_RULE = """\
Adds a lifecycle rule to the bucket of CATALOG_STORAGE that removes what is older than a
day from temp/. All other rules stay; where there is such a rule nothing is done. Of a
directory the indexer does so itself.
"""
_IMPORT = """\
Takes over what is there already. With --mongo: job records as they are, and the
bucket's or directory's objects under the same keys. Without: any files (images, LoRAs
and transcripts), which become assets of --user. A directory that `catalog export` wrote
is known as one. Shows a plan first; interrupted, the same command goes on.
Exit code: 0 done, 1 failed, 2 misused, 3 nothing runs, 4 done but for some files,
130 interrupted.
"""
_EXPORT = """\
Writes everything that a user owns into a directory: files in the seed's layout, job
records and annotations as JSON lines, sizes and hashes. Interrupted, the same command
goes on. `catalog import --directory DIR` reads it. Exit codes: those of import.
"""
_KEYS = """\
API keys: bearer tokens with which programs call in a user's name (docs/access.md). A
key is shown once, when it is made; only its SHA-256 is kept.
"""


def make_parser(runs: Mapping[str, Run]) -> argparse.ArgumentParser:
    """Build the parser of the command line.

    Args:
        runs: What each command does; a parsed command line has it as ``run``.
    """
    parser = argparse.ArgumentParser(
        prog="catalog",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    up = _command(commands, "up", runs["up"], "run everything on this machine", _UP)
    up.add_argument(
        "--port", type=int, metavar="P", help="of the API (5000); 0 picks a free one"
    )
    up.add_argument("--host", metavar="H", help="the API listens here (127.0.0.1)")
    up.add_argument(
        "--demo", action="store_true", help="fill an empty catalog with demo assets"
    )
    _command(
        commands, "status", runs["status"], "what runs, and the index's lag", _STATUS
    )
    _add_index_commands(commands, runs)
    backing = _command(commands, "backup", runs["backup"], "write a backup", _BACKUP)
    what = backing.add_mutually_exclusive_group()
    what.add_argument("--to", type=Path, metavar="DIR", help="must not exist")
    what.add_argument(
        "--verify", type=Path, metavar="DIR", help="compare a backup with its manifest"
    )
    restoring = _command(
        commands, "restore", runs["restore"], "restore a backup", _RESTORE
    )
    restoring.add_argument(
        "--from", dest="source", type=Path, metavar="DIR", required=True, help="it"
    )
    restoring.add_argument(
        "--force", action="store_true", help="move aside what is in the way"
    )
    _command(
        commands,
        "temp-rule",
        runs["temp-rule"],
        "have the bucket empty temp/ by itself",
        _TEMP_RULE,
    )
    _add_estate_commands(commands, runs)
    _add_key_commands(commands, runs["keys"])
    return parser


def _add_estate_commands(
    commands: Any,  # noqa: ANN401  (see ``_command``)
    runs: Mapping[str, Run],
) -> None:
    taking = _command(
        commands, "import", runs["import"], "take over what is there already", _IMPORT
    )
    where = taking.add_mutually_exclusive_group()
    where.add_argument("--directory", type=Path, metavar="DIR", help="the files")
    where.add_argument("--bucket", metavar="NAME", help="the files, in S3")
    taking.add_argument("--prefix", default="", metavar="P", help="only these keys")
    taking.add_argument("--endpoint-url", metavar="URL", help="of the bucket's server")
    taking.add_argument("--mongo", metavar="URI", help="database with job records")
    taking.add_argument("--mongo-db", metavar="D", help="its name (the URI's, catalog)")
    taking.add_argument("--user", metavar="U", help="whose it becomes; only U's jobs")
    taking.add_argument(
        "--kinds",
        dest="asset_kinds",
        metavar="K",
        help="comma-separated: image,lora,transcript (all)",
    )
    taking.add_argument(
        "--tag", action="append", default=[], metavar="T", help="for all; repeatable"
    )
    taking.add_argument(
        "--folder-tags", action="store_true", help="names of folders become tags"
    )
    taking.add_argument(
        "--keep-duplicates", action="store_true", help="take equal files over twice"
    )
    taking.add_argument(
        "--move", action="store_true", help="remove files once their copy is verified"
    )
    taking.add_argument("--plan", action="store_true", help="only say what would be")
    taking.add_argument("--yes", action="store_true", help="don't ask")
    giving = _command(
        commands, "export", runs["export"], "write out what a user owns", _EXPORT
    )
    giving.add_argument("--user", metavar="U", required=True, help="whose")
    giving.add_argument("--to", type=Path, metavar="DIR", required=True, help="where")


def _add_index_commands(
    commands: Any,  # noqa: ANN401  (see ``_command``)
    runs: Mapping[str, Run],
) -> None:
    reindex = _command(
        commands, "reindex", runs["reindex"], "build the search index anew", _REINDEX
    )
    reconcile = _command(
        commands,
        "reconcile",
        runs["reconcile"],
        "compare everything, mend drift",
        _RECONCILE,
    )
    reconcile.add_argument(
        "--kinds",
        type=kinds,
        default=RECONCILE_KINDS,
        metavar="K",
        help="which, comma-separated: index,record,storage (all)",
    )
    reconcile.add_argument(
        "--accept-losses",
        action="store_true",
        help="believe the store where most of its objects seem to be gone",
    )
    rollback = _command(
        commands, "rollback", runs["rollback"], "go back to the index before", _ROLLBACK
    )
    schedule = _command(
        commands, "schedule", runs["schedule"], "what is done on a schedule", _SCHEDULE
    )
    schedule.add_argument(
        "--run", dest="run_sweep", metavar="NAME", help="start this one now"
    )
    letters = _command(
        commands,
        "dead-letters",
        runs["dead-letters"],
        "what could not be indexed",
        _LETTERS,
    )
    letters.add_argument(
        "--stage",
        choices=("read", "describe", "extract", "index"),
        help="only these: %(choices)s",
        metavar="S",
    )
    letters.add_argument("--limit", type=int, default=50, metavar="N", help="(50)")
    chosen = letters.add_mutually_exclusive_group()
    chosen.add_argument("--redrive", metavar="ID", help="look at this one again")
    chosen.add_argument(
        "--all", action="store_true", help="look at all (of the stage) again"
    )
    for parser in (reindex, reconcile, rollback, schedule, letters):
        parser.add_argument(
            "--wait", action="store_true", help="until it is done, with progress"
        )


def _add_key_commands(
    commands: Any,  # noqa: ANN401  (see ``_command``)
    run: Run,
) -> None:
    keys = commands.add_parser(
        "keys", help="make and revoke API keys", description=_KEYS
    )
    actions = keys.add_subparsers(title="commands", metavar="COMMAND", required=True)
    making = _command(actions, "create", run, "make a key", _KEYS)
    making.set_defaults(action="create")
    making.add_argument(
        "--user", metavar="ID", required=True, help="in whose name it calls"
    )
    making.add_argument("--name", metavar="TEXT", help="what it is for")
    making.add_argument(
        "--scopes",
        type=permissions,
        default=permissions("read,write"),
        metavar="LIST",
        help="read, write, admin (read,write); each has those before it",
    )
    making.add_argument("--days", type=int, metavar="N", help="how long it is good")
    listing = _command(actions, "list", run, "list keys, the newest first", _KEYS)
    listing.set_defaults(action="list")
    listing.add_argument("--user", metavar="ID", help="only his")
    revoking = _command(actions, "revoke", run, "refuse a key from now on", _KEYS)
    revoking.set_defaults(action="revoke")
    revoking.add_argument("key", metavar="KEY", help="its id, as `list` shows it")


def _command(
    commands: Any,  # noqa: ANN401  (argparse keeps the type of sub-parsers private)
    name: str,
    run: Run,
    summary: str,
    description: str,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="D",
        help="where the stack keeps its data (CATALOG_DATA_DIR, ./.catalog)",
    )
    parser.add_argument(
        "--json", action="store_true", help="one line of JSON on standard output"
    )
    parser.set_defaults(run=run)
    return parser

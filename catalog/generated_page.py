"""Pages of ``docs/`` that are generated from code: written, or held against it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def publish(
    path: Path, content: str, *, module: str, arguments: Sequence[str] | None
) -> int:
    """Write a page or compare it.

    Args:
        path: The page.
        content: What it must say.
        module: Whose ``python -m`` generates it.
        arguments: ``--write`` or ``--check`` (the default); those of the process.

    Returns:
        0 when the page is up to date, 1 when it is not.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}", description=f"Generates docs/{path.name}."
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--write", action="store_true", help="write the page")
    choice.add_argument("--check", action="store_true", help="only compare (default)")
    if parser.parse_args(arguments).write:
        path.write_text(content, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == content:
        return 0
    sys.stderr.write(
        f"docs/{path.name} is not what the code says; run "
        f"`python -m {module} --write`.\n"
    )
    return 1

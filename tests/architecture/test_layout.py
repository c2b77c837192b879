"""Rules of the house that no linter knows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("catalog", "indexer", "processors", "api", "bench")
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    ".pre-commit-config.yaml",
    "LICENSE",
    "Makefile",
    "README.md",
    "api",
    "bench",
    "catalog",
    "constraints.txt",
    "docker-compose.yml",
    "docs",
    "indexer",
    "processors",
    "pyproject.toml",
    "tests",
}
DRIVERS = ("pymongo", "bson", "boto3", "botocore", "typesense", "aiohttp", "fastapi")


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_source_file_outgrows_500_lines() -> None:
    sources = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]

    too_long = {
        str(path.relative_to(ROOT)): lines
        for path in sources
        if (lines := len(path.read_text().splitlines())) > 500
    }

    assert too_long == {}


def test_the_top_level_is_as_agreed() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in _tracked()} <= TOP_LEVEL


def test_package_files_are_empty_but_for_their_docstring() -> None:
    for name in PACKAGES:
        for path in (ROOT / name).rglob("__init__.py"):
            code = re.sub(r'\A\s*""".*?"""\s*', "", path.read_text(), flags=re.DOTALL)
            assert code == "", path


@pytest.mark.parametrize(
    "module",
    [
        "catalog.services.assets",
        "catalog.services.search",
        "catalog.describe",
        "catalog.search.projection",
        "catalog.repositories.index_state",
    ],
)
def test_rules_and_services_load_no_driver(module: str) -> None:
    program = (
        f"import sys, {module}; "
        f"print([name for name in {DRIVERS!r} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_no_tracked_file_names_a_package_index_or_a_download_address() -> None:
    hosts = re.compile(
        rb"(pypi\.org|pythonhosted|registry\.npmjs|deb\.debian)"
        rb"|https?://\S+\.(whl|tgz|deb)\b"
    )

    named = [path for path in _tracked() if hosts.search(path.read_bytes())]

    assert [p for p in named if p != Path(__file__).resolve()] == []


def test_constraints_pin_every_requirement_exactly() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()

    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^\s;@]+", line) for line in lines)

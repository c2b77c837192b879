"""A catalog of real records and a store, and the command that fills it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from catalog.cli import main

Answers = list[dict[str, Any]]


class Here:
    """A catalog of records and a store, and the command that fills it."""

    def __init__(
        self,
        mongo_uri: str,
        database: Database[Any],
        store: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.database = database
        self.store = store
        self._settings = {
            "CATALOG_MONGO_URI": mongo_uri,
            "CATALOG_MONGO_DB": database.name,
            "CATALOG_STORAGE": store.as_uri(),
        }
        self.capsys, self.monkeypatch = capsys, monkeypatch
        for name, value in self._settings.items():
            monkeypatch.setenv(name, value)

    def start(self, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "catalog.cli", *options, "--json"],
            env={**os.environ, **self._settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def run(self, *options: str) -> tuple[int, Answers]:
        """Within this process: a second sooner."""
        self.capsys.readouterr()
        code = main([*options, "--json"])
        said = self.capsys.readouterr()
        assert code in {0, 2, 4}, said.err
        return code, [json.loads(line) for line in said.out.splitlines()]

    def take(self, root: Path, *options: str) -> tuple[int, Answers]:
        known = ("--directory", str(root), "--user", "ann", "--yes")
        return self.run("import", *known, *options)

    def jobs(self) -> list[dict[str, Any]]:
        return list(self.database["jobs"].find().sort("jobId"))

    def files(self) -> dict[str, bytes]:
        found = (path for path in self.store.rglob("*") if path.is_file())
        return {
            path.relative_to(self.store).as_posix(): path.read_bytes() for path in found
        }

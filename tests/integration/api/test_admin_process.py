"""schemathesis over the admin's endpoints, where no indexer does what is asked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.api.serving import ApiProcess


@pytest.mark.timeout(120)
def test_no_generated_request_of_an_admin_makes_the_api_fail(
    api_process: ApiProcess, tmp_path: Path
) -> None:
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        *("run", f"{api_process.url}/openapi.json"),
        *("--checks", "not_a_server_error,status_code_conformance"),
        *("--include-path-regex", "/api/admin/|/api/index/"),
        # One worker: CPython 3.11 can't parse source in two threads at once, which
        # Hypothesis does to name these parameters' strategies (SystemError).
        *("--max-examples", "15", "--seed", "1", "--workers", "1"),
        *("--generation-database", ":memory:"),
    ]

    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=110,
        check=False,
        env=os.environ | {"NO_COLOR": "1"},
    )

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]

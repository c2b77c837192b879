"""schemathesis over the OpenAPI document: never a 5xx.

Without streams, and without the admin's endpoints: their requests would rebuild and
roll back the index that other tests look at (``tests/integration/api`` has those).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.stack import Stack


@pytest.mark.timeout(400)
def test_no_generated_request_makes_the_api_fail(stack: Stack, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        *("run", f"{stack.api}/openapi.json"),
        *("--checks", "not_a_server_error,status_code_conformance"),
        *("--exclude-path-regex", "/api/stream/|/api/admin/"),
        *("--max-examples", "40", "--seed", "1", "--workers", "2"),
        *("--generation-database", ":memory:"),
    ]

    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=380,
        check=False,
        env=os.environ | {"NO_COLOR": "1"},
    )

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]

"""schemathesis over the OpenAPI document: never a 5xx.

Without streams, and without what other tests would notice (``tests/integration/api``
has those): the admin's requests would rebuild and roll back the index, and submitted
jobs would stand in everybody's lists.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.stack import Stack

_SUBMITTING = "/lora/train|/images/generate|/transcribe$|/(cancel|retry|versions)$"


@pytest.mark.timeout(400)
def test_no_generated_request_makes_the_api_fail(stack: Stack, tmp_path: Path) -> None:
    # One worker: two compile at the same time now and then, which CPython 3.11 takes
    # for a mistake of its own ("AST constructor recursion depth mismatch").
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        *("run", f"{stack.api}/openapi.json"),
        *("--checks", "not_a_server_error,status_code_conformance"),
        *("--exclude-path-regex", f"/api/stream/|/api/admin/|{_SUBMITTING}"),
        *("--max-examples", "25", "--seed", "1", "--workers", "1"),
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

"""schemathesis over submitting and what follows, where no worker does what is asked."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.integration.api.serving import ApiProcess


@pytest.mark.timeout(150)
def test_no_generated_submission_makes_the_api_fail(
    api_process: ApiProcess, mongo_database: Database[dict[str, Any]], tmp_path: Path
) -> None:
    paths = (
        "/api/(lora/train|images/generate|transcribe|jobs/.*/(cancel|retry|versions))$"
    )
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        *("run", f"{api_process.url}/openapi.json"),
        *("--checks", "not_a_server_error,status_code_conformance"),
        *("--include-path-regex", paths),
        # One worker: see ``test_admin_process``.
        *("--max-examples", "60", "--seed", "1", "--workers", "1"),
        *("--generation-database", ":memory:"),
    ]

    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=140,
        check=False,
        env=os.environ | {"NO_COLOR": "1"},
    )

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    # The documented examples at least must have got in.
    kept = mongo_database["queue"].distinct("type")
    assert set(kept) == {"lora-training", "image-generation", "transcription"}

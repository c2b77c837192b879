"""Files that were there before the catalog are taken over and found through HTTP."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.stack import Stack, catalog_command, eventually
from tests.unit.estates.estate import png, put, transcript

DATA = Path(
    os.environ.get("CATALOG_SHARED_DATA", Path(__file__).parents[3] / "shared/data")
)
USER = "estelle"


def _take(stack: Stack, root: Path, *options: str) -> dict[str, int]:
    known = ("--data-dir", str(stack.data_dir), "--user", USER, "--yes", "--json")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CATALOG_")}
    done = subprocess.run(
        [*catalog_command(), "import", "--directory", str(root), *known, *options],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode in {0, 4}, done.stderr
    last: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return last


def _names(stack: Stack, words: str) -> list[str]:
    answer = stack.get("/api/assets/search", q=words, userId=USER)
    return [hit["name"] for hit in answer.json["hits"]]


def test_imported_files_are_found_by_name_tag_prompt_and_spoken_word(
    stack: Stack, tmp_path: Path
) -> None:
    for number in range(3):
        words = f"a heliograph on a hill, number {number}"
        put(tmp_path, f"quixotic outputs/0000{number}-7.png", png(words, number))
    put(tmp_path, "talks/caravel.json", transcript("We spoke of narwhals today."))

    done = _take(stack, tmp_path, "--folder-tags")

    assert (done["jobs"], done["files"]) == (2, 4)
    pictures = ["quixotic outputs"] * 3

    def by(words: str, wanted: list[str]) -> None:
        eventually(
            lambda: sorted(_names(stack, words)) == wanted, seconds=60, what=words
        )

    by("quixotic", pictures)
    by("00002-7.png", pictures[:1])
    by("narwhals", ["caravel"])
    by("heliograph", pictures)  # workers read the prompts out of the files
    tagged = stack.get("/api/assets/search", tags="quixotic outputs", userId=USER)
    assert tagged.json["found"] == 3
    hit = tagged.json["hits"][0]
    assert stack.get(f"/api/assets/{hit['imageId']}", userId=USER).status == 200
    assert _take(stack, tmp_path, "--folder-tags")["jobs"] == 0


@pytest.mark.data
def test_real_files_of_generators_and_trainers_are_taken_over(
    stack: Stack, tmp_path: Path
) -> None:
    if not DATA.is_dir():
        pytest.skip(f"the shared data is not at {DATA}")
    for folder in ("images/ai_metadata", "images/malformed", "loras"):
        (tmp_path / folder).parent.mkdir(parents=True, exist_ok=True)
        for path in (DATA / folder).rglob("*"):
            if path.is_file():
                put(tmp_path, f"{folder}/{path.name}", path.read_bytes())

    done = _take(stack, tmp_path, "--kinds", "image,lora")

    assert done["jobs"] >= 3, "pictures of two folders and at least one LoRA"
    assert done["problems"] > 0, "what is broken is named"
    eventually(
        lambda: stack.get("/api/loras", userId=USER).json,
        seconds=60,
        what="an imported LoRA",
    )

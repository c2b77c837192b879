"""What a training names is brought here; a failure names it without secrets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.models.generation import LoraTraining
from catalog.models.ids import ObjectKey
from catalog.services.locations import Located
from processors.datasets.gathering import Gatherer
from processors.datasets.pictures import Gathered
from processors.engine import EngineError
from tests.fakes.store import FakeStore
from tests.unit.processors.datasets.scene import FOUR, pictures

SECRET = "https://me:pass@cdn.example:8443/a/b.png?X-Signature=s3cret#part"
KEY = ObjectKey("temp/upload-1/b.png")
GONE = EngineError("source_missing", "There is nothing there.", is_retryable=False)
AWAY = EngineError("source_unreadable", "The server answered 503.", is_retryable=True)
REFUSED = EngineError("source_unreadable", "It answered 403.", is_retryable=False)
LARGE = EngineError("out_of_limits", "The source is larger.", is_retryable=False)
LATE = EngineError("out_of_limits", "It did not arrive.", is_retryable=True)


class SomeFail:
    """Brings everything but what is told."""

    def __init__(self, failures: dict[str, EngineError]) -> None:
        self._failures = failures
        self.fetched: list[str] = []

    def fetch(self, location: str, path: Path, check: Callable[[], None]) -> Path:
        check()
        self.fetched.append(location)
        if location in self._failures:
            raise self._failures[location]
        path.write_bytes(b"x")
        return path


def gather(folder: Path, bad: Located, error: EngineError) -> Gathered:
    """Gather four pictures that can be had, and between them one that can't."""
    store = FakeStore()
    location = bad.url or f"memory://store/{bad.key}"
    fetch = SomeFail({location: error})
    fine = [Located(url=f"https://fine.example/{n}") for n in range(4)]
    sources = [
        (f"images.{place}", one)
        for place, one in enumerate([*fine[:2], bad, *fine[2:]])
    ]
    gatherer = Gatherer(
        store, SomeFail({}), fetch_picture=fetch, reader=pictures(*FOUR)
    )
    asked = {"loraName": "x", "images": [str(n) for n in range(5)]}
    request = LoraTraining.model_validate(asked)
    found = gatherer.gather(request, sources, folder, lambda: None)
    assert location in fetch.fetched
    return found


@pytest.mark.parametrize("error", [GONE, AWAY, REFUSED, LATE])
@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (Located(url=SECRET), "images.2 (https://cdn.example:8443/a/b.png): "),
        (Located(key=KEY), "images.2 (temp/upload-1/b.png): "),
    ],
)
def test_a_picture_that_cannot_be_had_fails_the_job_by_its_name(
    tmp_path: Path, bad: Located, name: str, error: EngineError
) -> None:
    with pytest.raises(EngineError) as caught:
        gather(tmp_path, bad, error)

    assert str(caught.value) == f"{name}{error}"
    assert (caught.value.code, caught.value.is_retryable) == (
        error.code,
        error.is_retryable,
    )
    assert "s3cret" not in str(caught.value)
    assert "pass" not in str(caught.value)


def test_one_that_is_too_large_to_be_read_is_left_out(tmp_path: Path) -> None:
    found = gather(tmp_path, Located(url=SECRET), LARGE)

    assert len(found.pictures) == 4
    assert [one.place for one in found.pictures] == [0, 1, 3, 4]
    assert found.facts["droppedAt"] == {"too_large": [2]}


def test_a_long_address_is_cut(tmp_path: Path) -> None:
    long = Located(url="https://cdn.example/" + "x" * 1900)

    with pytest.raises(EngineError) as caught:
        gather(tmp_path, long, GONE)

    assert len(str(caught.value)) < 300


def test_a_video_that_cannot_be_had_is_named_too(tmp_path: Path) -> None:
    located = Located(url="https://v.example/a.mp4?token=s3cret")
    assert located.url is not None
    gatherer = Gatherer(
        FakeStore(),
        SomeFail({located.url: GONE}),
        fetch_picture=SomeFail({}),
        reader=pictures(),
    )
    request = LoraTraining.model_validate({"loraName": "x", "videoUrl": located.url})

    with pytest.raises(EngineError, match=r"^videoUrl \(https://v\.example/a\.mp4\): "):
        gatherer.gather(request, [("videoUrl", located)], tmp_path, lambda: None)

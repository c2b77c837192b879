"""Images are made and LoRAs trained, offline, with nothing faked but the weights."""

import json
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image, ImageDraw

from catalog.models.asset import FileRole
from catalog.models.generation import ImageGeneration, LoraTraining
from processors.engine import CancelledError, EngineError, Made
from processors.engines.artifacts import look_at_picture
from processors.engines.local_images import LocalImages
from processors.engines.local_training import LocalTraining
from processors.engines.lora_header import read_header
from tests.fakes.warm_child import WarmChild
from tests.fakes.working import work_in

TINY = "tiny-random-stable-diffusion"

pytestmark = pytest.mark.timeout(300)


def _images(**inputs: Any) -> ImageGeneration:  # noqa: ANN401
    asked = {"prompt": "bll on the grass", "width": 64, "height": 64, "seed": 7}
    asked |= {"numInferenceSteps": 4} | inputs
    return ImageGeneration.model_validate({"model": "local-diffusers", "inputs": asked})


def _training(**fields: Any) -> LoraTraining:  # noqa: ANN401
    asked = {"loraName": "ball", "images": ["s3://b/a.jpg"], "trigger": "bll"}
    return LoraTraining.model_validate(asked | {"steps": 40, "rank": 2} | fields)


def _dataset(folder: Path) -> Path:
    """Draw a ball at four places; the last has no caption."""
    for name in ("images", "captions"):
        (folder / name).mkdir(parents=True)
    for number in range(1, 5):
        picture = Image.new("RGB", (160, 120), (250, 220, 30))
        box = (20 * number, 30, 20 * number + 60, 90)
        ImageDraw.Draw(picture).ellipse(box, fill=(200, 20, 20))
        picture.save(folder / "images" / f"{number:04}.jpg")
        if number < 4:
            caption = folder / "captions" / f"{number:04}.txt"
            caption.write_text("a red ball, yellow ground\n")
    return folder


@pytest.fixture(scope="module")
def warm(tiny_model: Path) -> Iterator[WarmChild]:
    del tiny_model  # where the extra is missing there is none
    child = WarmChild()
    yield child
    child.close()


def _pixels(path: Path) -> Any:  # noqa: ANN401
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.int16)


@dataclass(frozen=True)
class Trained:
    made: Made
    folder: Path
    progress: list[int]

    def path(self, role: FileRole) -> Path:
        (found,) = (o.path for o in self.made.outputs if o.role is role)
        return found


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    progress: list[int] = []
    work = work_in(
        folder / "run",
        _training(seed=3, learningRate=0.01),
        source=_dataset(folder / "dataset"),
        report=progress.append,
    )
    return Trained(LocalTraining(tiny_model).advance(work, {}), folder, progress)


def test_a_seed_gives_the_same_picture_again_and_another_seed_another(
    tiny_model: Path, warm: WarmChild, tmp_path: Path
) -> None:
    seen: list[int] = []
    engine = LocalImages(tiny_model)
    request = _images(numImages=2, negativePrompt="rain", width=96, safety="off")
    two = work_in(tmp_path / "two", request, report=seen.append)
    second = _images(seed=8, negativePrompt="rain", width=96)

    made = engine.advance(two, {})
    another = LocalImages(tiny_model, run=warm.run)
    again = another.advance(work_in(tmp_path / "again", second), {})

    first, other = (output.path for output in made.outputs)
    assert first.read_bytes() != other.read_bytes()
    assert again.outputs[0].path.read_bytes() == other.read_bytes()
    assert [dict(output.facts) for output in made.outputs] == [
        {"width": 96, "height": 64, "seed": 7},
        {"width": 96, "height": 64, "seed": 8},
    ]
    picture = look_at_picture(first)
    assert (picture.content_type, picture.width, picture.height) == (
        ("image/png", 96, 64)
    )
    assert np.ptp(_pixels(first)) > 20, "a picture of one colour shows nothing"
    assert seen == sorted(seen)
    assert made.provenance["engine"] == "local-diffusers"
    assert made.provenance["model"] == TINY
    assert made.provenance["ignored"] == ["safety"]
    with Image.open(first) as opened:
        told = opened.info["parameters"]
    assert told.startswith("bll on the grass\nNegative prompt: rain\nSteps: 4, ")
    assert told.endswith(f"Seed: 7, Size: 96x64, Model: {TINY}")


def test_training_leaves_weights_that_say_how_they_were_made(trained: Trained) -> None:
    header, problem = read_header(trained.path(FileRole.MODEL))
    metadata = header["__metadata__"]
    config = json.loads(trained.path(FileRole.CONFIG).read_bytes())
    preview = look_at_picture(trained.path(FileRole.PREVIEW))

    assert problem == ""
    assert metadata["ss_sd_model_name"] == TINY
    assert metadata["modelspec.trigger_phrase"] == "bll"
    assert (metadata["ss_network_dim"], metadata["ss_steps"]) == ("2", "40")
    assert json.loads(metadata["ss_tag_frequency"]) == {
        "1_bll": {"a red ball": 3, "bll": 4, "yellow ground": 3}
    }
    assert json.loads(metadata["lora_adapter_metadata"])["unet.r"] == 2
    shapes = {tuple(v["shape"]) for k, v in header.items() if ".lora_A." in k}
    assert {shape[0] for shape in shapes} == {2}
    assert (config["baseModel"], config["engine"]) == (TINY, "local-diffusers")
    assert (config["imageCount"], config["captionCount"]) == (4, 3)
    assert config["resolution"] == 64
    assert config["lastLoss"] < config["firstLoss"]
    assert (preview.content_type, preview.width) == ("image/png", 64)
    assert trained.made.provenance["model"] == TINY
    assert trained.progress == sorted(trained.progress)
    assert trained.progress[-1] > 50


def test_a_picture_with_the_trained_lora_is_another_and_with_none_of_it_the_same(
    trained: Trained, tiny_model: Path, warm: WarmChild, tmp_path: Path
) -> None:
    engine = LocalImages(tiny_model, run=warm.run)
    weights = str(trained.path(FileRole.MODEL))

    def picture(name: str, *scales: float) -> Any:  # noqa: ANN401
        uses = [{"path": "s3://b/x.safetensors", "scale": scale} for scale in scales]
        work = work_in(
            tmp_path / name, _images(loras=uses), loras=(weights,) * len(scales)
        )
        return _pixels(engine.advance(work, {}).outputs[0].path)

    without = picture("without")

    assert np.abs(picture("with", 1.0) - without).mean() > 0.5
    assert np.array_equal(picture("none of two", 0.0, 0.0), without)


def _foreign_loras(folder: Path, own: Path) -> dict[str, Path]:
    """Give a LoRA of other shapes, and one for another kind of model."""
    content = own.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__")
    renamed = {f"transformer.x.{n}.lora_A.weight": t for n, t in enumerate(header)}
    tensors = dict(zip(renamed, header.values(), strict=True))
    name = next(name for name in header if name.endswith(".to_k.lora_A.weight"))
    partner = name.replace("lora_A", "lora_B")
    wide = {
        name: {"dtype": "F32", "shape": [2, 99], "data_offsets": [0, 792]},
        partner: {"dtype": "F32", "shape": [99, 2], "data_offsets": [792, 1584]},
    }
    found = {}
    for kind, told, data in (
        ("other family", tensors, content[8 + length :]),
        ("other shapes", wide, struct.pack("<396f", *[0.1] * 396)),
    ):
        text = json.dumps(told).encode()
        found[kind] = folder / f"{kind}.safetensors"
        found[kind].write_bytes(len(text).to_bytes(8, "little") + text + data)
    return found


def test_a_lora_of_another_model_is_refused_by_its_place(
    trained: Trained, tiny_model: Path, warm: WarmChild, tmp_path: Path
) -> None:
    own = trained.path(FileRole.MODEL)
    uses = [{"path": "s3://b/x.safetensors"}] * 2
    for kind, foreign in _foreign_loras(tmp_path, own).items():
        folder = tmp_path / kind
        work = work_in(folder, _images(loras=uses), loras=(str(own), str(foreign)))

        with pytest.raises(EngineError, match="no LoRA for this worker") as caught:
            LocalImages(tiny_model, run=warm.run).advance(work, {})

        assert (caught.value.code, caught.value.is_retryable) == (
            ("invalid_input", False)
        ), kind
        assert "`inputs.loras.1.path`" in str(caught.value)
        assert str(tmp_path) not in str(caught.value)
        assert not list(folder.glob("*.png"))


def test_a_broken_training_image_is_named(
    tiny_model: Path, warm: WarmChild, tmp_path: Path
) -> None:
    dataset = _dataset(tmp_path / "dataset")
    (dataset / "images" / "0002.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    work = work_in(tmp_path / "run", _training(), source=dataset)

    with pytest.raises(EngineError, match=r"0002\.jpg can't be read") as caught:
        LocalTraining(tiny_model, run=warm.run).advance(work, {})

    assert caught.value.code == "source_unreadable"
    assert str(tmp_path) not in str(caught.value)


def test_a_model_whose_parts_do_not_fit_is_the_operators_to_mend(
    tiny_model: Path, warm: WarmChild, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    config = model / "vae" / "config.json"
    told = json.loads(config.read_bytes())
    config.write_text(json.dumps(told | {"block_out_channels": [8, 16, 16, 24]}))

    with pytest.raises(EngineError, match="CATALOG_LOCAL_IMAGE_MODEL") as caught:
        LocalImages(model, run=warm.run).advance(work_in(tmp_path / "r", _images()), {})

    assert caught.value.code == "not_configured"


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_a_cancelled_training_ends_at_once_and_leaves_nothing(
    tiny_model: Path, tmp_path: Path
) -> None:
    before = _children()
    seen: list[int] = []
    asked_at: list[float] = []

    work = work_in(
        tmp_path / "run",
        _training(steps=4000),
        source=_dataset(tmp_path / "dataset"),
        report=seen.append,
        check=_cancelled_after(seen, asked_at),
    )
    with pytest.raises(CancelledError):
        LocalTraining(tiny_model).advance(work, {})

    assert time.monotonic() - asked_at[0] < 2.0
    assert seen[-1] < 90
    assert _children() <= before
    assert not [f for f in work.folder.rglob("*") if f.suffix in _OUTPUTS]


_OUTPUTS = (".safetensors", ".json", ".png")


def _cancelled_after(seen: list[int], asked_at: list[float]) -> Callable[[], None]:
    def check() -> None:
        if seen and seen[-1] > 0:
            asked_at.append(time.monotonic())
            raise CancelledError

    return check


def _weights(model: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(model.rglob("*.safetensors"))]


def test_the_tiny_model_is_the_same_whenever_it_is_built_and_says_what_it_is(
    tiny_model: Path, warm: WarmChild, tmp_path: Path
) -> None:
    for name, seed in (("same", 0), ("other", 1)):
        task = {"directory": str(tmp_path / name), "seed": seed}
        warm.run("processors.engines.tiny_model", task)

    assert _weights(tmp_path / "same") == _weights(tiny_model)
    assert _weights(tmp_path / "other") != _weights(tiny_model)
    assert "**Random weights.**" in (tiny_model / "README.md").read_text()
    assert sum(f.stat().st_size for f in tiny_model.rglob("*")) < 5_000_000

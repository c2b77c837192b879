"""What the engines on this machine's own model decide before torch is loaded."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from catalog.clock import SystemClock
from catalog.config import Settings
from catalog.models.generation import (
    ImageGeneration,
    JobRequest,
    LoraTraining,
    Transcription,
)
from catalog.models.job import JobType
from processors.choose import engines_of
from processors.engine import Engine, EngineError, Work
from processors.engines.diffusers_model import DiffusersModel, look_at_model
from processors.engines.local_diffusion import limits_for, seed_of
from processors.engines.local_images import LocalImages
from processors.engines.local_training import LocalTraining
from processors.engines.lora_header import read_header, trainer_metadata
from tests.fakes.working import work_in

MADE_HERE = (JobType.IMAGE_GENERATION, JobType.LORA_TRAINING)


def _model(path: Path, **index: Any) -> Path:  # noqa: ANN401
    """Lay out what is looked at of a model; there is nothing in it."""
    said = {"_class_name": "StableDiffusionPipeline"} | index
    path.mkdir()
    (path / "model_index.json").write_text(json.dumps(said))
    for part in ("unet", "vae", "text_encoder"):
        (path / part).mkdir()
        _lora(path / part / "model.safetensors", size=800)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return _model(tmp_path / "my-model")


def _lora(path: Path, size: int = 8) -> Path:
    """Write one tensor of zeros."""
    tensor = {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}
    header = json.dumps({"unet.x.lora_A.weight": tensor}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))
    return path


def _images(model: str = "local-diffusers", **inputs: Any) -> ImageGeneration:  # noqa: ANN401
    asked = {"prompt": "a fox", "width": 64, "height": 64} | inputs
    return ImageGeneration.model_validate({"model": model, "inputs": asked})


def _training(**fields: Any) -> LoraTraining:  # noqa: ANN401
    asked = {"loraName": "fox", "images": ["s3://b/a.jpg"]} | fields
    return LoraTraining.model_validate(asked)


def _dataset(folder: Path) -> Path:
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "0001.jpg").write_bytes(b"a picture, for all we know")
    return folder


def _refused(engine: Engine, work: Work) -> EngineError:
    with pytest.raises(EngineError) as caught:
        engine.advance(work, {})
    assert list(work.folder.iterdir()) == [], "something was started"
    return caught.value


# --- the model ---------------------------------------------------------------------


def test_a_model_bears_the_name_that_it_says(tmp_path: Path) -> None:
    named = _model(tmp_path / "a", _name_or_path="someone/a-model")
    moved = _model(tmp_path / "b", _name_or_path="/home/someone/secret place")

    assert look_at_model(named).name == "someone/a-model"
    assert look_at_model(moved).name == "b"
    assert 2400 < look_at_model(moved).weights_bytes < 3000


def _wrong_models(folder: Path) -> dict[str, Path | None]:
    pickled = _model(folder / "pickled")
    (pickled / "unet" / "model.safetensors").rename(pickled / "unet" / "model.bin")
    cut = next((_model(folder / "cut") / "vae").iterdir())
    cut.write_bytes(cut.read_bytes()[:-1])
    broken = _model(folder / "broken")
    (broken / "model_index.json").write_text("{")
    listed = _model(folder / "listed")
    (listed / "model_index.json").write_text("[]")
    huge = _model(folder / "huge")
    (huge / "model_index.json").write_text(" " * 1024 * 1024 + "{}")
    return {
        "is not set": None,
        "has no model_index.json": folder / "missing",
        "no JSON;": broken,
        "no JSON object": listed,
        "more than 1 MiB": huge,
        "holds a FluxPipeline": _model(folder / "flux", _class_name="FluxPipeline"),
        r"holds a \['x', 'y'\]": _model(folder / "code", _class_name=["x", "y"]),
        "vae/model.safetensors that is cut off": folder / "cut",
        r"no \*.safetensors in unet/": pickled,
    }


@pytest.mark.parametrize("engine", [LocalImages, LocalTraining])
def test_a_model_that_cannot_be_used_is_told_with_the_setting_to_change(
    tmp_path: Path, engine: type[LocalImages] | type[LocalTraining]
) -> None:
    for says, path in _wrong_models(tmp_path).items():
        with pytest.raises(EngineError, match=says) as caught:
            engine(path)

        assert caught.value.code == "not_configured"
        assert "CATALOG_LOCAL_IMAGE_MODEL" in str(caught.value)
        assert (caught.value.is_retryable, caught.value.is_final) == (True, True)


def test_a_model_that_has_gone_since_leaves_the_job_to_a_person(
    model: Path, tmp_path: Path
) -> None:
    engine = LocalImages(model)
    (model / "model_index.json").unlink()

    refused = _refused(engine, work_in(tmp_path / "run", _images()))

    assert (refused.code, refused.is_final) == ("not_configured", True)


# --- what is asked for --------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (_images(width=2048, height=1024), "2048x1024"),
        (_images(numInferenceSteps=151), "`inputs.numInferenceSteps`"),
        (_images(guidanceScale=31), "`inputs.guidanceScale`"),
        (_images("flux-pro"), "'my-model' or 'local-diffusers'"),
        (_training(), "does not make lora-training"),
    ],
)
def test_images_that_this_engine_does_not_make_are_refused_at_once(
    model: Path, tmp_path: Path, request_: JobRequest, says: str
) -> None:
    refused = _refused(LocalImages(model), work_in(tmp_path / "run", request_))

    assert (refused.code, refused.is_retryable) == ("invalid_input", False)
    assert says in str(refused)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (_training(steps=4001), "`steps`"),
        (_training(rank=65), "`rank`"),
        (_training(learningRate=0.02), "`learningRate`"),
        (_training(resolution=1032), "`resolution`"),
        (_training(model="flux-lora-fast-training"), "'my-model'"),
        (_images(), "does not make image-generation"),
        (Transcription(url="https://a.test/b.wav"), "does not make transcription"),
    ],
)
def test_training_that_this_engine_does_not_do_is_refused_at_once(
    model: Path, tmp_path: Path, request_: JobRequest, says: str
) -> None:
    work = work_in(tmp_path / "run", request_, source=_dataset(tmp_path / "dataset"))

    refused = _refused(LocalTraining(model), work)

    assert (refused.code, refused.is_retryable) == ("invalid_input", False)
    assert says in str(refused)


def test_a_lora_is_looked_at_before_anything_is_loaded(
    model: Path, tmp_path: Path
) -> None:
    good = _lora(tmp_path / "good.safetensors")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"PK\x03\x04 a pickle in a zip, as torch.save writes it" * 9)
    uses = [{"path": "a", "scale": 1}, {"path": "b", "scale": 1}]
    too_much = [{"path": "a", "scale": -4.5}]

    wrong = work_in(tmp_path / "run", _images(loras=uses), loras=(str(good), str(bad)))
    strong = work_in(tmp_path / "run", _images(loras=too_much), loras=(str(good),))

    assert "`inputs.loras.1.path`" in str(_refused(LocalImages(model), wrong))
    assert "`inputs.loras.0.scale`" in str(_refused(LocalImages(model), strong))


def test_training_needs_images(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty" / "images").mkdir(parents=True)
    (tmp_path / "empty" / "images" / "notes.txt").write_text("none")

    for source in (None, tmp_path / "missing", tmp_path / "empty"):
        work = work_in(tmp_path / "run", _training(), source=source)

        assert _refused(LocalTraining(model), work).code == "source_missing"


def test_no_more_images_are_taken_than_a_job_may_name(
    model: Path, tmp_path: Path
) -> None:
    dataset = _dataset(tmp_path / "dataset")
    for number in range(2, 1002):
        (dataset / "images" / f"{number:04}.jpg").touch()

    work = work_in(tmp_path / "run", _training(), source=dataset)

    assert _refused(LocalTraining(model), work).code == "out_of_limits"


def test_a_job_that_is_repeated_has_the_same_seed_another_version_another() -> None:
    work = work_in(Path(), _images())

    assert seed_of(work, None) == seed_of(work, None)
    assert seed_of(work, None) != seed_of(replace(work, version=2), None)
    assert seed_of(work, 0) == 0


def test_larger_models_and_pictures_may_take_longer() -> None:
    tiny = limits_for(DiffusersModel(Path(), "tiny", 4_000_000), 64 * 64, 20)
    real = limits_for(DiffusersModel(Path(), "real", 4 * 1024**3), 1024 * 1024, 20)

    assert tiny.cpu_seconds_per_unit < 15
    assert real.cpu_seconds_per_unit > 300
    assert real.memory_bytes > tiny.memory_bytes + 4 * 1024**3


# --- LoRA files ---------------------------------------------------------------------


def test_the_header_of_a_lora_is_read_and_its_length_believed_in_no_case(
    tmp_path: Path,
) -> None:
    whole = _lora(tmp_path / "whole.safetensors").read_bytes()
    bad = tmp_path / "bad.safetensors"

    header, problem = read_header(tmp_path / "whole.safetensors")
    assert (list(header), problem) == (["unet.x.lora_A.weight"], "")
    for content, says in (
        (b"", "format"),
        (whole[:-1], "cut off"),
        (whole + b"x", "longer"),
        (b"\xff" * 100, "format"),
        ((2).to_bytes(8, "little") + b"{}", "no weights"),
        ((2).to_bytes(8, "little") + b"[]", "format"),
        ((9).to_bytes(8, "little") + b'{"a": {}}', "format"),
    ):
        bad.write_bytes(content)
        header, problem = read_header(bad)
        assert (header, says in problem) == ({}, True), content
    assert read_header(tmp_path / "none")[1] == "can't be read"


def test_a_lora_says_what_trained_it_on_what(tmp_path: Path) -> None:
    del tmp_path
    facts: dict[str, Any] = {
        "name": "ball",
        "base_model": "some-model",
        "engine": "local-diffusers",
        "captions": ["bll, a red ball", "bll, a  blue ball", ""],
        "rank": 4,
        "steps": 10,
        "learning_rate": 0.001,
        "resolution": 64,
        "seed": 1,
        "trained_at": datetime(2025, 11, 22, tzinfo=UTC),
    }

    told = trainer_metadata(trigger="bll", family="stable-diffusion-v1", **facts)
    unknown = trainer_metadata(trigger=None, family=None, **facts)

    assert json.loads(told["ss_tag_frequency"])["1_bll"]["bll"] == 2
    assert told["modelspec.trigger_phrase"] == "bll"
    assert told["ss_base_model_version"] == "sd_v1"
    assert "local-diffusers on some-model" in told["ss_training_comment"]
    assert not {"modelspec.architecture", "modelspec.trigger_phrase"} & set(unknown)
    assert all(isinstance(value, str) for value in told.values())


# --- choosing -----------------------------------------------------------------------


def _chosen(**settings: Any) -> dict[JobType, str]:  # noqa: ANN401
    engines = engines_of(Settings(**settings), SystemClock(), MADE_HERE)
    return {type_: engine.name for type_, engine in engines.items()}


def test_the_model_of_this_machine_makes_images_and_loras(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processors.choose.LIBRARIES", ("json",))

    assert _chosen(local_image_model=model) == dict.fromkeys(
        MADE_HERE, "local-diffusers"
    )
    assert _chosen() == {}
    with pytest.raises(EngineError, match="CATALOG_LOCAL_IMAGE_MODEL"):
        _chosen(local_image_model=model / "missing")


def test_a_providers_key_comes_first(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processors.choose.LIBRARIES", ("json",))

    chosen = _chosen(local_image_model=model, fal_key="id:secret")

    assert "local-diffusers" not in chosen.values()
    assert chosen[JobType.IMAGE_GENERATION] == "fal"


def test_without_the_extra_such_jobs_wait_and_the_log_says_why(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("processors.choose.LIBRARIES", ("json", "no_such_library"))

    assert _chosen(local_image_model=model) == {}
    assert "pip install 'asset-catalog[local-models]'" in caplog.text


def test_a_worker_never_loads_torch_itself() -> None:
    program = "import sys, processors.__main__; print('torch' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )

    assert done.stdout == "False\n"

"""Real files that lie beside the checkout: what is in them is found, all of it."""

import csv
import gzip
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import safetensors
from sd_parsers import ParserManager

from processors.extract.exif import extract_exif
from processors.extract.general_words import ENGLISH_GENERAL
from processors.extract.generation.comfy import read_comfy
from processors.extract.generation.detect import KEYWORDS, extract_generation
from processors.extract.png_chunks import read_png
from processors.extract.result import Cause, Extracted, ExtractError
from processors.extract.safetensors import FIRST_READ, extract_safetensors
from processors.extract.stop_words_other import STOP_WORDS
from processors.extract.transcript_facts import (
    extract_transcript,
    extract_transcript_text,
)
from tests.unit.processors.extract.lora_files import CountingReader, header_of, read
from tests.unit.processors.extract.pictures import png_with
from tests.unit.processors.extract.test_against_sd_parsers import assert_equal
from tests.unit.processors.extract.test_detect import storable

Row = dict[str, Any]

pytestmark = pytest.mark.data

REFUSED = {
    "formats/circle.svg": Cause.UNSUPPORTED,
    "malformed/empty_file.png": Cause.EMPTY,
    "malformed/pil_bmp_b_badwidth.bmp": Cause.TOO_LARGE,
    "malformed/pil_broken.png": Cause.CORRUPT,
    "malformed/pil_crash-2020-10-test.tif": Cause.CORRUPT,
    "malformed/pil_decompression_bomb.gif": Cause.TOO_LARGE,
    "malformed/pil_decompression_bomb.ico": Cause.TOO_LARGE,
    "malformed/pil_tiff_overflow_rows_per_strip.tif": Cause.CORRUPT,
}
DUCK = {
    "source": "a1111",
    "prompt": "photo of a duck",
    "negativePrompt": "monochrome",
    "model": "realistic_realisticVisionV20_v20",
    "seed": 235284042,
    "steps": 15,
    "cfg": 5.0,
    "sampler": "UniPC",
    "width": 512,
    "height": 400,
    "extra": {"model hash": "c0d1994c73"},
}
GENERATED: dict[str, dict[str, Any]] = {
    "ai_metadata/automatic1111_cropped.jpg": DUCK,
    "ai_metadata/automatic1111_cropped.png": DUCK,
    "malformed/text_after_idat.png": DUCK,
    "ai_metadata/fooocus1_cropped.png": {
        "source": "fooocus",
        "prompt": "a smiling goldfish",
        "model": "juggernautXL_v8Rundiffusion",
        "seed": 6952411511246973023,
        "steps": 30,
        "cfg": 4.0,
        "sampler": "dpmpp_2m_sde_gpu",
        "scheduler": "karras",
        "width": 768,
        "height": 1280,
    },
    "ai_metadata/img2img_cropped.png": {
        "source": "comfyui",
        "prompt": "photograph of victorian woman with wings, sky clouds, meadow grass",
        "negativePrompt": "watermark, text",
        "model": "v1-5-pruned-emaonly.ckpt",
        "seed": 280823642470253,
        "steps": 20,
        "cfg": 8.0,
        "sampler": "sample_dpmpp_2m",
        "scheduler": "normal",
    },
    "ai_metadata/invokeai_dream1.png": {
        "source": "invokeai",
        "negativePrompt": "rendering, glowing eyes, skinny",
        "seed": 2980747362,
        "steps": 50,
        "cfg": 5.0,
        "sampler": "k_lms",
        "width": 512,
        "height": 768,
    },
}


@pytest.fixture(scope="module")
def images(shared_data: Path) -> dict[str, bytes]:
    folder = shared_data / "images"
    files = (path for path in sorted(folder.glob("*/*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def pillow(shared_data: Path) -> dict[str, Row]:
    with (shared_data / "images" / "PILLOW.tsv").open() as lines:
        return {row["file"]: row for row in csv.DictReader(lines, delimiter="\t")}


def rows(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def outcomes(images: dict[str, bytes], extract: Any) -> tuple[Row, Row]:  # noqa: ANN401  (either)
    """Extract from every file: what came of it, and why nothing did."""
    extracted: dict[str, Extracted] = {}
    causes: dict[str, Cause] = {}
    for name, data in images.items():
        try:
            extracted[name] = extract(data)
        except ExtractError as error:
            causes[name] = error.cause
    return extracted, causes


def test_every_picture_is_read_or_has_a_clear_cause(images: dict[str, bytes]) -> None:
    for extract in (extract_exif, extract_generation):
        extracted, causes = outcomes(images, extract)

        assert len(images) == 103
        assert causes == REFUSED
        assert all(storable(found.facts) for found in extracted.values())


def test_no_generation_data_is_missed(images: dict[str, bytes]) -> None:
    extracted, _ = outcomes(images, extract_generation)

    found = {name: dict(e.facts) for name, e in extracted.items() if e.facts}

    assert found.keys() == GENERATED.keys()
    for name, facts in GENERATED.items():
        assert found[name] == {**found[name], **facts}
        assert extracted[name].problems == ()
        assert found[name]["prompt"]


def test_every_text_that_pillow_finds_is_found(
    images: dict[str, bytes], pillow: dict[str, Row]
) -> None:
    for name, row in pillow.items():
        if row["text"] and name.endswith(".png"):
            texts = read_png(images[name]).texts

            assert set(row["text"].split(",")) <= texts.keys(), name
            if texts.keys() & set(KEYWORDS[:8]):
                assert name in GENERATED


def test_the_other_library_reads_the_same(images: dict[str, bytes]) -> None:
    compared = 0
    for name in GENERATED:
        facts = dict(extract_generation(images[name]).facts)
        if ParserManager().parse(BytesIO(images[name])) is None:
            continue
        compared += 1
        if facts["source"] != "invokeai":  # it leaves a comma at the end of the prompt
            assert_equal(facts, images[name])

    assert compared == len(GENERATED)


def test_drawing_and_graph_of_one_image_say_the_same(images: dict[str, bytes]) -> None:
    texts = read_png(images["ai_metadata/img2img_cropped.png"]).texts

    assert read_comfy({"workflow": texts["workflow"]}) == read_comfy(
        {"prompt": texts["prompt"]}
    )


def test_orientations_are_those_that_pillow_reads(
    images: dict[str, bytes], pillow: dict[str, Row]
) -> None:
    extracted, _ = outcomes(images, extract_exif)

    for name, row in pillow.items():
        if row["orientation"] and name in extracted:
            assert extracted[name].facts["orientation"] == int(row["orientation"]), name


def test_a_place_is_told_only_as_its_existence(images: dict[str, bytes]) -> None:
    extracted, _ = outcomes(images, extract_exif)

    with_place = {n for n, e in extracted.items() if e.facts.get("hasLocation")}
    assert with_place == {"formats/pil_exif_gps.jpg"}
    assert all(found.raw is None for found in extracted.values())


@pytest.mark.parametrize(
    ("name", "family", "rank"),
    [
        ("sd15", "sd1", 32),
        ("sdxl", "sdxl", 32),
        ("flux1", "flux", 2),
        ("qwen_image", "unknown", 64),
    ],
)
def test_published_loras_are_told_apart(
    shared_data: Path, name: str, family: str, rank: int
) -> None:
    path = shared_data / "loras" / f"lora_keys_{name}_kohya.json.gz"
    with gzip.open(path) as source:
        listed = json.load(source)
    shapes = {key: tensor["shape"] for key, tensor in listed["keys"].items()}
    metadata = listed.get("metadata")

    facts = read(shapes, metadata).facts

    assert (facts["family"], facts["rank"]) == (family, rank)
    assert (facts["style"], facts["form"]) == ("kohya", "adapter")
    assert facts["tensorCount"] == len(shapes)
    if metadata:
        assert facts["alpha"] == float(metadata["ss_network_alpha"])
        assert isinstance(facts["modelspec"], dict)
        assert facts["modelspec"]["title"] == metadata["modelspec.title"]


def test_only_the_header_of_a_published_lora_is_read(shared_data: Path) -> None:
    path = shared_data / "loras" / "lora_keys_sdxl_kohya.json.gz"
    with gzip.open(path) as source:
        keys = json.load(source)["keys"]
    header, tensor_bytes = header_of({k: t["shape"] for k, t in keys.items()})
    reader = CountingReader(len(header).to_bytes(8, "little") + header)

    extract_safetensors(reader, len(reader.data) + tensor_bytes)

    assert tensor_bytes > 150_000_000
    assert len(reader.asked) == 2
    assert reader.total == 8 + len(header) < 500_000


def test_a_real_lora_costs_one_read(shared_data: Path) -> None:
    data = (shared_data / "loras" / "lora_disney_rank1.safetensors").read_bytes()
    reader = CountingReader(data)

    facts = extract_safetensors(reader, len(data)).facts

    assert reader.asked == [(0, FIRST_READ)]
    assert (facts["family"], facts["style"], facts["rank"]) == ("sd1", "cloneofsimo", 1)
    assert facts["triggerWords"] == ("<s1>", "<s2>")


def test_a_textual_inversion_is_not_taken_for_a_lora(shared_data: Path) -> None:
    path = shared_data / "loras" / "not_a_lora_textual_inversion.safetensors"
    data = path.read_bytes()

    facts = extract_safetensors(CountingReader(data), len(data)).facts

    assert (facts["form"], facts["family"]) == ("embedding", "sd1")


def test_the_settings_of_a_real_training_are_read(shared_data: Path) -> None:
    metadata = json.loads((shared_data / "loras" / "kohya_header_boo.json").read_text())

    facts = read({"lora_unet_x.lora_down.weight": (4, 320)}, metadata).facts

    assert (facts["alpha"], facts["epoch"], facts["maxSteps"]) == (4.0, 1, 20_000)
    assert facts["baseModelName"] == "v1-5-pruned-emaonly.ckpt"
    assert str(facts["trainingComment"]).startswith("dimension is resized")


def test_what_the_library_refuses_is_refused(shared_data: Path) -> None:
    causes = {}
    for path in sorted((shared_data / "loras" / "malformed").glob("*.safetensors")):
        data = path.read_bytes()
        try:
            safetensors.deserialize(data)  # type: ignore[no-untyped-call]
        except safetensors.SafetensorError:
            with pytest.raises(ExtractError) as caught:
                extract_safetensors(CountingReader(data), len(data))
            causes[path.stem] = caught.value.cause
        else:
            assert extract_safetensors(CountingReader(data), len(data)).problems == ()

    assert causes == {
        "data_truncated": Cause.CORRUPT,
        "empty_file": Cause.EMPTY,
        "header_len_past_eof": Cause.CORRUPT,
        "header_not_json": Cause.CORRUPT,
        "html_error_page": Cause.UNSUPPORTED,
    }


def test_real_prompts_survive_the_way_through_a_picture(shared_data: Path) -> None:
    path = shared_data / "no_licence_stated" / "prompts" / "open_prompts_1k.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no {path}: files without a stated licence may be left out")
    for number, row in enumerate(rows(path)):
        prompt = " ".join(str(row["prompt"]).split())
        text = f"{prompt}\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: {number}"

        facts = extract_generation(png_with({"parameters": text})).facts

        assert (facts.get("prompt", ""), facts["seed"]) == (prompt, number)


def test_the_complete_assemblyai_response_tells_its_facts(shared_data: Path) -> None:
    folder = shared_data / "no_licence_stated" / "assemblyai"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: files without a stated licence may be left out")
    data = (folder / "transcript_completed_full.json").read_bytes()

    facts = extract_transcript(data).facts

    assert (facts["wordCount"], facts["durationSeconds"]) == (861, 282.0)
    assert (facts["language"], facts["speakers"]) == ("en_us", ("A", "B"))
    assert facts["speakingTime"] == (
        {"speaker": "A", "ms": 90_920},
        {"speaker": "B", "ms": 168_490},
    )
    assert isinstance(facts["chapters"], tuple)
    assert len(facts["chapters"]) == 3
    assert isinstance(facts["keywords"], tuple)
    assert facts["keywords"][:5] == (
        "air quality",
        "weather system",
        "climate change",
        "johns hopkins university",
        "smoke",
    )
    assert {"wildfires", "particulate matter"} <= set(facts["keywords"])
    with pytest.raises(ExtractError) as caught:
        extract_transcript((folder / "transcript_queued.json").read_bytes())
    assert caught.value.cause is Cause.EMPTY


def test_real_transcripts_tell_words_and_keywords(shared_data: Path) -> None:
    for name in ("bitcoin", "changelog"):
        path = shared_data / "transcripts" / f"{name}.jsonl.gz"
        for row in list(rows(path))[::8]:
            facts = extract_transcript_text(row["markdown"].encode()).facts

            assert facts["wordCount"]
            found = facts.get("keywords", ())
            assert isinstance(found, tuple)
            # Some that are marked as English are hardly any text.
            is_text = row["lang"] != "zh" and row["n_words"] > 500
            assert len(found) >= (5 if is_text else 0), row["id"]
            speakers = " ".join(row["speakers"]).lower().split()
            said = {word for term in found for word in str(term).split()}
            assert not said & {*speakers}, row["id"]
            if row["lang"] == "en":
                assert not said & STOP_WORDS["en"], row["id"]
                assert not ENGLISH_GENERAL & {*found}, row["id"]

"""What files say, filtered by, counted and searched on the real engine."""

import pytest

from catalog.access import Asker
from catalog.models.file_facts import FileFacts
from catalog.models.ids import AssetId, UserId
from catalog.search.base import FACETS, FacetCount, SearchAnswer, SearchQuery
from catalog.search.filters import parse_range
from tests.integration.search.conftest import Engine
from tests.unit.search.assets import an_image

ME = Asker(UserId("user-1"))


def ask(words: str, **changes: object) -> SearchQuery:
    return SearchQuery(ME, words=words, **changes)  # type: ignore[arg-type]


def _found(engine: Engine, query: SearchQuery) -> SearchAnswer:
    return engine.ask(lambda reader: reader.search(query))


@pytest.fixture
def told(engine: Engine) -> Engine:
    """Images of which the first is as the filters ask, and the second is not."""
    facts = FileFacts(
        family="flux",
        rank=16,
        generator="comfyui",
        sampler="Euler a",
        steps=20,
        cfg=7.1,
        lora_names=("Ink, wash (v2)",),
        hashes=("c0d1994c73",),
        camera="x" * 150,
        audio_codec="aac",
        video_codec="h264",
        keywords=("the coast",),
        outcome=("failed:too_many_pixels",),
    )
    engine.fill(
        [
            an_image(
                "job-1-1",
                name="wanted",
                file=facts,
                base_model="sdxl",
                seed=2**63 - 1,
                width_px=1024,
                height_px=1024,
                duration_seconds=0.1,
                word_count=7,
                speakers=("A", "B"),
            ),
            an_image("job-2-1", name="other", file=FileFacts(cfg=7.2, outcome=("ok",))),
        ]
    )
    return engine


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("baseModel", "sdxl"),
        ("family", "flux"),
        ("generator", "comfyui"),
        ("sampler", "Euler a"),
        ("lora", "Ink, wash (v2)"),
        ("hash", "c0d1994c73"),
        ("camera", "x" * 150),
        ("audioCodec", "aac"),
        ("videoCodec", "h264"),
        ("keyword", "the coast"),
        ("extraction", "failed:too_many_pixels"),
    ],
)
def test_exact_values_of_files_are_filtered_and_counted(
    told: Engine, name: str, value: str
) -> None:
    facets = (name,) if name in FACETS else ()

    found = _found(told, ask("", exact=((name, (value,)),), facets=facets))
    none = _found(told, ask("", exact=((name, (f"{value}x",)),)))

    assert [hit.view["name"] for hit in found.hits] == ["wanted"]
    assert none.found == 0
    for counts in found.facets.values():
        assert FacetCount(value, 1) in counts


def test_what_was_made_with_an_asset_is_found_by_it(engine: Engine) -> None:
    lora, other = AssetId("lora-1"), AssetId("lora-2")
    engine.fill(
        [
            an_image("job-1-1", uses=(lora, other)),
            an_image("job-2-1", uses=(other,)),
            an_image("job-3-1", uses=()),
        ]
    )

    def found(*uses: AssetId) -> set[str]:
        answer = _found(engine, ask("", uses=uses))
        return {hit.view["assetId"] for hit in answer.hits}

    assert found(lora) == {"job-1-1"}
    assert found(lora, other) == {"job-1-1", "job-2-1"}
    assert found() == found(AssetId("lora")) == set()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("width", "1024"),
        ("height", "1000..1024"),
        ("megapixels", "1.049"),
        ("megapixels", "1.04..1.05"),
        ("duration", "0.1"),
        ("duration", "..0.1"),
        ("wordCount", "7.."),
        ("speakerCount", "2"),
        ("rank", "16"),
        ("steps", "..20"),
        ("cfg", "7.1"),
        ("cfg", "7..7.15"),
        ("seed", "9223372036854775807"),
    ],
)
def test_numbers_of_files_are_filtered(told: Engine, name: str, text: str) -> None:
    found = _found(told, ask("", ranges=(parse_range(name, text),)))

    assert [hit.view["name"] for hit in found.hits] == ["wanted"]


def test_a_prompt_comes_before_what_was_not_wanted(engine: Engine) -> None:
    engine.fill(
        [
            an_image("job-1-1", name="a", negative_prompt="a watermark"),
            an_image("job-2-1", name="b", prompt="a watermark"),
            an_image(
                "job-3-1", name="c", file=FileFacts(lora_names=("watermark_remover",))
            ),
        ]
    )

    found = _found(engine, ask("watermark"))

    assert [hit.view["name"] for hit in found.hits] == ["c", "b", "a"]
    fields = [hit.highlights[0].field for hit in found.hits]
    assert fields == ["loraNames", "prompt", "negativePrompt"]

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.extract.generation.detect import KEYWORDS, detect, extract_generation
from processors.extract.generation.facts import GenerationFacts, LoraRef, Source
from processors.extract.result import MAX_RAW, Cause, Extracted, ExtractError
from tests.unit.processors.extract.graphs import flux, simple
from tests.unit.processors.extract.pictures import (
    END,
    HEADER,
    PIXELS,
    USER_COMMENT,
    exif_of,
    jpeg_with,
    picture,
    png_with,
    segment,
    text,
    xmp,
)
from tests.unit.processors.extract.test_other_generators import (
    FOOOCUS,
    INVOKE,
    NOVEL,
    SWARM,
)

INFOTEXT = "a cät\nNegative prompt: a dog\nSteps: 20, Sampler: Euler, Seed: 7"
SWARM_TEXT = json.dumps({"sui_image_params": SWARM})
ALL = {
    Source.A1111: {"parameters": INFOTEXT},
    Source.COMFYUI: {"prompt": json.dumps(flux())},
    Source.FOOOCUS: {"parameters": json.dumps(FOOOCUS)},
    Source.INVOKEAI: {"invokeai_metadata": json.dumps(INVOKE)},
    Source.NOVELAI: NOVEL,
    Source.SWARMUI: {"parameters": SWARM_TEXT},
}


def commented(said: str, order: str = "utf-16-be") -> bytes:
    return exif_of(detail={USER_COMMENT: b"UNICODE\0" + said.encode(order)})


@pytest.mark.parametrize("source", Source)
def test_every_program_is_recognised_by_its_texts(source: Source) -> None:
    extracted = extract_generation(png_with(ALL[source]))

    assert extracted.facts["source"] == source.value
    assert {"prompt", "model", "seed"} - extracted.facts.keys() <= {"model"}
    assert extracted.problems == ()
    assert isinstance(extracted.raw, str)
    assert json.loads(extracted.raw) == ALL[source]


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("order", ["utf-16-be", "utf-16-le"])
@pytest.mark.parametrize(
    "source", [Source.A1111, Source.FOOOCUS, Source.SWARMUI, Source.NOVELAI]
)
def test_user_comments_are_read_in_every_format(
    kind: str, order: str, source: Source
) -> None:
    said = json.dumps(NOVEL) if source is Source.NOVELAI else ALL[source]["parameters"]

    facts = extract_generation(picture(kind, exif=commented(said, order))).facts

    assert facts["source"] == source.value
    assert str(facts["prompt"]).startswith(("a cat", "a cät"))


def test_comfyui_writes_its_graph_into_camera_tags() -> None:
    exif = exif_of(
        {0x010F: 'workflow:{"nodes": []}', 0x0110: "prompt:" + json.dumps(simple())}
    )

    facts = extract_generation(picture("WEBP", exif=exif)).facts

    assert (facts["source"], facts["seed"]) == ("comfyui", 7)


def test_a_user_comment_in_xmp_is_read() -> None:
    packet = xmp(
        f"<exif:UserComment><rdf:Alt><rdf:li>{INFOTEXT}</rdf:li></rdf:Alt>"
        "</exif:UserComment>"
    )

    data = jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet))

    assert extract_generation(data).facts["seed"] == 7


def test_a_comment_of_a_jpeg_is_read() -> None:
    data = jpeg_with(segment(0xFE, INFOTEXT.encode()))

    assert extract_generation(data).facts["prompt"] == "a cät"


def test_of_a_file_that_is_cut_off_the_texts_are_read() -> None:
    data = HEADER + text("parameters", INFOTEXT) + PIXELS + END

    extracted = extract_generation(data[:-20])

    assert extracted.facts["seed"] == 7
    assert len(extracted.problems) == 1


def test_what_a_node_saved_as_a1111_does_is_completed_by_the_graph() -> None:
    facts, problems = detect({"parameters": INFOTEXT, "prompt": json.dumps(flux())})

    assert facts is not None
    assert facts.source is Source.COMFYUI
    assert (facts.prompt, facts.sampler, facts.seed) == ("a cät", "Euler", 7)
    assert facts.model == "flux1-dev.safetensors"
    assert facts.loras == (LoraRef("detail", 0.4), LoraRef("anime", 0.7))
    assert facts.extra["guidance"] == 3.5
    assert problems == ()


def test_a_picture_that_does_not_say_has_no_facts_and_no_raw_input() -> None:
    extracted = extract_generation(png_with({"Software": "GIMP", "Comment": "hello"}))

    assert (extracted.facts, extracted.raw, extracted.problems) == ({}, None, ())


def test_texts_of_other_keywords_are_not_kept() -> None:
    extracted = extract_generation(
        png_with({"parameters": INFOTEXT, "GPSLatitude": "52.0"})
    )

    assert isinstance(extracted.raw, str)
    assert "52.0" not in extracted.raw


def test_raw_input_is_bounded() -> None:
    extracted = extract_generation(
        png_with({"parameters": INFOTEXT, "workflow": "x" * (MAX_RAW + 10)})
    )

    assert isinstance(extracted.raw, str)
    assert len(extracted.raw) == MAX_RAW


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ExtractError) as caught:
        extract_generation(b"hello")

    assert caught.value.cause is Cause.UNSUPPORTED


def test_facts_are_written_without_what_is_not_known() -> None:
    facts = GenerationFacts(
        source=Source.COMFYUI, seed=2**64 - 1, loras=(LoraRef("a"), LoraRef("b", 1))
    )

    assert facts.as_facts() == {
        "source": "comfyui",
        "seed": "18446744073709551615",
        "loras": ({"name": "a"}, {"name": "b", "weight": 1}),
    }


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.text(max_size=5)
            | st.sampled_from(
                ["sui_image_params", "prompt", "loras", "Comment", "image", "seed"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)
TEXTS = st.text() | JSON.map(json.dumps)


def storable(fact: object) -> bool:
    """Tell whether MongoDB would take it."""
    match fact:
        case str():
            return not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in fact)
        case int():
            return -(2**63) <= fact < 2**63
        case tuple():
            return all(map(storable, fact))
        case Mapping():
            return all(map(storable, [*fact.keys(), *fact.values()]))
        case _:
            return isinstance(fact, float) and math.isfinite(fact)


@given(st.dictionaries(st.sampled_from(KEYWORDS), TEXTS))
def test_any_texts_are_survived_and_facts_can_be_stored(
    texts: dict[str, str],
) -> None:
    facts, problems = detect(texts)

    assert facts is None or storable(facts.as_facts())
    assert storable(problems)


def mutated(document: Any, path: list[int], value: Any) -> Any:  # noqa: ANN401  (any JSON value)
    """Put a value somewhere into a document."""
    if not path or not isinstance(document, dict | list) or not document:
        return value
    keys = list(document) if isinstance(document, dict) else range(len(document))
    key = keys[path[0] % len(keys)]
    copy: Any = dict(document) if isinstance(document, dict) else list(document)
    copy[key] = mutated(copy[key], path[1:], value)
    return copy


DOCUMENTS: list[tuple[str, Any]] = [
    ("prompt", simple()),
    ("prompt", flux()),
    ("invokeai_metadata", INVOKE),
    ("parameters", FOOOCUS),
    ("parameters", {"sui_image_params": SWARM}),
    ("Comment", json.loads(NOVEL["Comment"])),
]


@given(
    st.sampled_from(DOCUMENTS),
    st.lists(st.integers(0, 30), min_size=1, max_size=4),
    JSON,
)
def test_any_change_of_what_programs_write_is_survived(
    document: tuple[str, Any],
    path: list[int],
    value: Any,  # noqa: ANN401  (any JSON value)
) -> None:
    keyword, written = document

    facts, _ = detect({keyword: json.dumps(mutated(written, path, value))})

    assert facts is None or storable(facts.as_facts())


@given(st.binary(max_size=300))
def test_any_user_comment_is_survived(comment: bytes) -> None:
    exif = exif_of(detail={USER_COMMENT: comment})

    extracted: Extracted = extract_generation(jpeg_with(segment(0xE1, exif)))

    assert storable(extracted.facts)
    assert storable(extracted.raw or "")

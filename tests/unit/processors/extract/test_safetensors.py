import json
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from processors.extract.result import MAX_RAW, Cause, ExtractError
from processors.extract.safetensors import (
    FIRST_READ,
    MAX_HEADER,
    MAX_TENSORS,
    extract_safetensors,
    read_header,
)
from tests.unit.processors.extract.lora_files import (
    CountingReader,
    header_of,
    kohya,
    read,
    with_length,
)

SMALL = kohya("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k")


def refused(data: bytes, size: int | None = None) -> ExtractError:
    with pytest.raises(ExtractError) as caught:
        extract_safetensors(CountingReader(data), len(data) if size is None else size)
    return caught.value


def test_a_small_header_costs_one_read_of_64_kib() -> None:
    header, _ = header_of(SMALL)
    reader = CountingReader(with_length(header) + bytes(1_000_000))

    read_header(reader, len(reader.data))

    assert reader.asked == [(0, FIRST_READ)]


def test_a_long_header_costs_a_second_read_of_exactly_the_rest() -> None:
    shapes = kohya(*(f"lora_unet_single_blocks_{n}_linear1" for n in range(600)))
    header, tensor_bytes = header_of(shapes)
    reader = CountingReader(with_length(header) + bytes(tensor_bytes))

    found = read_header(reader, len(reader.data))

    assert len(header) > FIRST_READ
    assert reader.asked == [(0, FIRST_READ), (FIRST_READ, 8 + len(header) - FIRST_READ)]
    assert reader.total == 8 + len(header)
    assert len(found.tensors) == 1800


def test_a_file_smaller_than_the_first_read_is_not_read_past_its_end() -> None:
    header, _ = header_of({})
    reader = CountingReader(with_length(header))

    read_header(reader, len(reader.data))

    assert reader.asked == [(0, len(reader.data))]


def test_an_empty_file_is_empty() -> None:
    assert refused(b"").cause is Cause.EMPTY


@pytest.mark.parametrize("data", [b"\0", b"\0" * 7, b"\xff" * 8, b"\x09" + b"\0" * 15])
def test_a_header_that_is_longer_than_the_file_is_corrupt(data: bytes) -> None:
    error = refused(data)

    assert error.cause is Cause.CORRUPT
    assert str(len(data)) in str(error)


def test_a_header_beyond_the_formats_limit_is_refused_unread() -> None:
    start = (MAX_HEADER + 1).to_bytes(8, "little") + b"{" * FIRST_READ
    reader = CountingReader(start)

    with pytest.raises(ExtractError) as caught:
        extract_safetensors(reader, MAX_HEADER * 2)

    assert caught.value.cause is Cause.TOO_LARGE
    assert reader.asked == [(0, FIRST_READ)]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"not json", "not JSON"),
        (b"[]", "object"),
        (b"\xff\xfe", "not JSON"),
        (b'{"a": 1}', "'a'"),
        (b'{"a": {"dtype": "F16", "shape": [1]}}', "'a'"),
        (b'{"a": {"dtype": "F16", "shape": [-1], "data_offsets": [0, 2]}}', "'a'"),
        (b'{"a": {"dtype": "F16", "shape": [1], "data_offsets": [4, 2]}}', "'a'"),
        (b'{"a": {"dtype": 16, "shape": [1], "data_offsets": [0, 2]}}', "'a'"),
        (b'{"a": ' + b"[" * 20 + b"]" * 20 + b"}", "nested"),
    ],
)
def test_a_header_that_is_none_is_corrupt(header: bytes, words: str) -> None:
    error = refused(with_length(header))

    assert error.cause is Cause.CORRUPT
    assert words in str(error)


@pytest.mark.parametrize("length", [0x0280, 0x3C, 0x01043C, 0x010280])
def test_a_length_that_looks_like_another_format_is_a_length(length: int) -> None:
    header, tensor_bytes = header_of({"a": (1,)})
    data = with_length(header.ljust(length)) + bytes(tensor_bytes)

    assert extract_safetensors(CountingReader(data), len(data)).facts["tensorCount"]


def test_brackets_inside_names_are_not_nesting() -> None:
    header, _ = header_of({}, {"ss_tag_frequency": '{"a\\"": [[[[[[[[[[[[[]'})

    assert (
        read_header(CountingReader(with_length(header)), 8 + len(header)).tensors == {}
    )


@pytest.mark.parametrize("entry", [b'"":[],', b'"":"",', b"[],", b",", b'""'])
def test_a_flood_of_values_is_refused_before_it_is_taken_apart(entry: bytes) -> None:
    header = b"{" + entry * (30 * MAX_TENSORS) + b"}"

    assert refused(with_length(header)).cause is Cause.TOO_LARGE


def test_as_many_tensors_as_allowed_are_read() -> None:
    shapes = {str(number): () for number in range(MAX_TENSORS)}
    shapes_and_one: dict[str, tuple[int, ...]] = {**shapes, "one more": ()}

    assert read(shapes).facts["tensorCount"] == MAX_TENSORS
    with pytest.raises(ExtractError) as caught:
        read(shapes_and_one)
    assert caught.value.cause is Cause.TOO_LARGE


def test_tensors_that_run_past_the_end_of_the_file_are_corrupt() -> None:
    header, tensor_bytes = header_of(SMALL)

    error = refused(with_length(header) + bytes(tensor_bytes - 100))

    assert error.cause is Cause.CORRUPT
    assert "100 bytes" in str(error)


def test_an_object_that_shrank_while_it_was_read_is_corrupt() -> None:
    header, _ = header_of(kohya(*(f"lora_unet_{n}" for n in range(900))))

    error = refused(with_length(header)[: FIRST_READ + 5], 10_000_000)

    assert error.cause is Cause.CORRUPT


@pytest.mark.parametrize(
    "data",
    [
        b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        b"<!DOCTYPE html><html></html>",
        b"PK\x03\x04 a checkpoint of PyTorch, which is a ZIP",
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19. a pickle",
    ],
)
def test_what_is_no_safetensors_at_all_says_what_it_is(data: bytes) -> None:
    assert refused(data).cause is Cause.UNSUPPORTED


def test_odd_but_harmless_things_are_noted() -> None:
    entries = {
        "__metadata__": [1],
        "a": {"dtype": "F16", "shape": [3], "data_offsets": [0, 2]},
        "b": {"dtype": "Q7", "shape": [3], "data_offsets": [2, 4]},
    }
    data = with_length(json.dumps(entries).encode()) + bytes(9)

    extracted = extract_safetensors(CountingReader(data), len(data))

    assert "5 bytes follow the last tensor." in extracted.problems
    assert "1 tensors have another size than their shape says." in extracted.problems
    assert "Unknown number formats: Q7." in extracted.problems
    assert "__metadata__ is not an object." in extracted.problems
    assert extracted.facts["tensorCount"] == 2


def test_the_raw_header_is_kept_up_to_a_limit() -> None:
    header, _ = header_of({}, {"x": "y" * (MAX_RAW + 5)})
    data = with_length(header)

    extracted = extract_safetensors(CountingReader(data), len(data))

    assert extracted.raw == header[:MAX_RAW]
    assert (extracted.extractor, extracted.version) == ("safetensors", 2)


@given(st.binary(max_size=300), st.integers(0, 2**40))
def test_any_bytes_are_read_or_refused(data: bytes, size: int) -> None:
    with suppress(ExtractError):
        extracted = extract_safetensors(CountingReader(data), size)
        assert extracted.facts["tensorCount"] == 0


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner)
    ),
    max_leaves=20,
)
METADATA_NAMES = st.sampled_from(
    [
        "ss_tag_frequency",
        "ss_datasets",
        "lora_adapter_metadata",
        "ss_network_dim",
        "ss_network_alpha",
        "modelspec.trigger_phrase",
        "ss_resolution",
        "unet",
        "training_info",
        "ss_epoch",
    ]
)


@given(st.dictionaries(METADATA_NAMES, JSON.map(json.dumps) | st.text(max_size=30)))
@example({"ss_network_dim": "0\x1f"})
def test_any_metadata_is_survived(metadata: dict[str, str]) -> None:
    extracted = read(SMALL, metadata)

    assert extracted.facts["tensorCount"] == 3
    assert None not in extracted.facts.values()


@given(JSON)
def test_any_json_is_a_header_or_refused(document: object) -> None:
    data = with_length(json.dumps(document).encode())
    with suppress(ExtractError):
        extracted = extract_safetensors(CountingReader(data), len(data))
        assert isinstance(document, dict)
        assert extracted.facts["tensorCount"] == len(document.keys() - {"__metadata__"})

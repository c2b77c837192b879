"""What a file is by its first bytes, whatever its name says. Pure."""

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.errors import MalformedRecordError
from catalog.transcripts import parse_assemblyai

HEAD_BYTES = 64
HEADER_BYTES = 1024 * 1024
"""How much of a header is searched for a LoRA's tensors; names come first."""

MAX_INFO_BYTES = 4 * 1024**2

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\x00", "tif"),
    (b"MM\x00*", "tif"),
    (b"\xff\x0a", "jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl"),
)
_BRANDS = {b"avif": "avif", b"avis": "avif"} | dict.fromkeys(
    (b"heic", b"heix", b"hevc", b"mif1", b"msf1"), "heic"
)
_SAME = {"jpeg": "jpg", "tiff": "tif"}
_LORA = re.compile(
    r"lora[_.]|\blora|hada_w|lokr_|oft_|dora_scale|\.(?:on_input|diff|diff_b)\Z"
    r"|:(?:down|up)\Z",
    re.IGNORECASE,
)
"""In the names of a LoRA's tensors, as trainers spell them."""

_NAMES = re.compile(rb'"([^"\\]{1,300})"\s*:\s*\{')
_NO_WEIGHTS = "is not in the safetensors format, or cut off"
_LENGTH_BYTES = 8
_MAX_HEADER = 100 * 1024**2
_TAGS = re.compile(r"<[^<>]{0,2000}>")
_DESCRIPTION_LENGTH = 2000
_NAME_LENGTH = 200
_WORDS = 50


def image_ending(head: bytes) -> str | None:
    """Tell the format of an image by its first bytes; ``None`` for no image."""
    for signature, ending in _SIGNATURES:
        if head.startswith(signature):
            return ending
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    return None


def is_ending(ending: str, found: str) -> bool:
    """Whether an ending (small letters) is one of the format ``found``."""
    return _SAME.get(ending, ending) == found


def weights_problem(head: bytes, size_bytes: int) -> str | None:
    """Say why a file is no LoRA.

    Args:
        head: The first ``HEADER_BYTES``.
        size_bytes: Of the whole.
    """
    length = int.from_bytes(head[:_LENGTH_BYTES], "little")
    start = head[_LENGTH_BYTES : _LENGTH_BYTES + length]
    if (
        len(head) < _LENGTH_BYTES
        or not 0 < length <= min(_MAX_HEADER, size_bytes - _LENGTH_BYTES)
        or not start.lstrip().startswith(b"{")
    ):
        return _NO_WEIGHTS
    names = [found.decode("utf-8", "replace") for found in _NAMES.findall(start)]
    if len(start) == length:
        try:
            tensors = json.loads(start)
            ends = [
                int(tensor["data_offsets"][1])
                for name, tensor in tensors.items()
                if name != "__metadata__"
            ]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return _NO_WEIGHTS
        if _LENGTH_BYTES + length + max(ends, default=0) != size_bytes:
            return "is cut off, or longer than its header says"
        names = [name for name in tensors if name != "__metadata__"]
    if not any(map(_LORA.search, names)):
        return "holds no LoRA (a checkpoint or an embedding, maybe)"
    return None


def transcript_problem(raw: bytes) -> str | None:
    """Say why a JSON file is no transcript; ``None`` where it is one."""
    try:
        content = parse_assemblyai(raw)
    except MalformedRecordError as exc:
        return f"is no transcript: {exc}"
    except RecursionError:
        return "is no transcript: it is nested too deeply"
    return None if content.text.strip() else "is no transcript: it holds no text"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the information file beside a LoRA says."""

    name: str | None = None
    triggers: tuple[str, ...] = ()
    base_model: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()


def read_info(raw: bytes) -> ModelInfo:
    """Read ``.civitai.info`` or ``.metadata.json``; what can't be read is absent."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return ModelInfo()
    if not isinstance(found, dict):
        return ModelInfo()
    nested = found.get("civitai")
    version: Mapping[str, Any] = nested if isinstance(nested, dict) else found
    model = version.get("model")
    model = model if isinstance(model, dict) else {}
    words = version.get("trainedWords")
    return ModelInfo(
        name=_text(found.get("model_name") or model.get("name")),
        triggers=_texts(words),
        base_model=_text(version.get("baseModel") or found.get("base_model")),
        description=_plain(
            found.get("modelDescription")
            or model.get("description")
            or version.get("description")
        ),
        tags=_texts(found.get("tags") or model.get("tags")),
    )


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return clean(value)[:_NAME_LENGTH] or None


def _texts(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    found = (
        _text(item.strip(" ,") if isinstance(item, str) else item) for item in items
    )
    return tuple(dict.fromkeys(filter(None, found)))[:_WORDS]


def _plain(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    text = clean(html.unescape(_TAGS.sub(" ", value)))
    return text[:_DESCRIPTION_LENGTH].strip() or None


def clean(text: str) -> str:
    """Make a foreign text fit for a record: no control characters, valid Unicode."""
    text = text.encode("utf-8", "replace").decode()
    return " ".join("".join(s if s.isprintable() else " " for s in text).split())

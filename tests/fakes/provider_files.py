"""Small files as providers make them, and broken ones."""

import json
import struct
import zlib
from typing import Any


def png(width: int = 8, height: int = 6) -> bytes:
    """Draw a grey picture; whole, with right checksums."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + b"\x80" * width for _ in range(height))
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def safetensors(bytes_of_data: int = 64) -> bytes:
    """Make a LoRA of one tensor."""
    header: dict[str, Any] = {
        "__metadata__": {"format": "pt"},
        "transformer.x.attn.to_k.lora_A.weight": {
            "dtype": "F32",
            "shape": [bytes_of_data // 4],
            "data_offsets": [0, bytes_of_data],
        },
    }
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + b"\1" * bytes_of_data


def transcript_facts() -> dict[str, Any]:
    """Make what a completed transcription says; two speakers, an unknown field."""
    spoken = (
        ("A", "Smoke from hundreds of wildfires in Canada", 250),
        ("A", "is triggering air quality alerts.", 3100),
        ("B", "Throughout the United States?", 6000),
    )
    utterances = []
    for speaker, text, start in spoken:
        words = [
            {
                "text": word,
                "start": start + 300 * n,
                "end": start + 300 * n + 250,
                "confidence": 0.97,
                "speaker": speaker,
            }
            for n, word in enumerate(text.split())
        ]
        utterances.append(
            {
                "speaker": speaker,
                "text": text,
                "start": words[0]["start"],
                "end": words[-1]["end"],
                "confidence": 0.97,
                "words": words,
            }
        )
    return {
        "text": " ".join(text for _, text, _ in spoken),
        "words": [word for one in utterances for word in one["words"]],  # type: ignore[attr-defined]
        "utterances": utterances,
        "confidence": 0.97,
        "audio_duration": 9,
        "language_code": "en_us",
        "speech_model_used": "universal-3-5-pro",
        "acoustic_model": "assemblyai_default",
        "nobody_has_heard_of_this": {"yet": [1, None]},
    }

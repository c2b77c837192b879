"""Small estates to take over, made on the spot."""

import json
import os
import struct
import zlib
from pathlib import Path

WHEN = 1_700_000_000
"""Modification time of the first file; each further one is a minute later."""


def png(words: str, number: int = 0) -> bytes:
    """A picture of one pixel with generation data as A1111 writes it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        length = struct.pack(">I", len(body))
        return length + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    text = f"{words}\nSteps: 20, Sampler: Euler a, Seed: {number}, Size: 1x1"
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
        + chunk(b"tEXt", b"parameters\0" + text.encode("latin-1"))
        + chunk(b"IDAT", zlib.compress(bytes([0, number % 256, 0, 0])))
        + chunk(b"IEND", b"")
    )


def lora(seed: int = 0) -> bytes:
    """Weights of one number in the safetensors format."""
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({"lora_unet_mid.lora_down.weight": tensor}).encode()
    return struct.pack("<Q", len(header)) + header + struct.pack("<I", seed)


def transcript(text: str) -> bytes:
    words = [
        {"text": word, "start": 400 * n, "end": 400 * n + 300, "speaker": "A"}
        for n, word in enumerate(text.split())
    ]
    return json.dumps({"status": "completed", "text": text, "words": words}).encode()


def put(root: Path, path: str, content: bytes | str, minute: int = 0) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(file, (WHEN + 60 * minute,) * 2)
    return file


def make_estate(root: Path) -> None:
    """Seven images in two folders, a LoRA, two transcripts, and what goes wrong."""
    for number in range(5):
        words = f"a lighthouse at dusk, number {number}"
        put(root, f"txt2img/2023-11-14/0000{number}-7.png", png(words, number), number)
    for number in (10, 11):
        put(root, f"txt2img/2023-11-15/{number}.png", png("zeppelins", number), number)
    info = {
        "trainedWords": ["fggy"],
        "baseModel": "SD 1.5",
        "model": {"name": "Foggy mornings", "tags": ["fog"]},
    }
    put(root, "loras/foggy.safetensors", lora(), 20)
    put(root, "loras/foggy.preview.png", png("fog", 99), 20)
    put(root, "loras/foggy.civitai.info", json.dumps(info), 20)
    put(root, "talks/ice.json", transcript("We spoke of glaciers today."), 30)
    put(root, "talks/ice.mp3", b"ID3 not really sound", 30)
    put(root, "talks/note.txt", "Anna: The volcano erupted again.", 31)
    put(root, "talks/workflow.json", '{"nodes": []}')
    put(root, "README.txt", "Nothing to see")
    put(root, "notes.pdf", b"%PDF")
    put(root, "bad.png", "no image at all")
    put(root, "empty.png", b"")
    put(root, "copy.png", png("a lighthouse at dusk, number 0", 0))
    (root / "passwd.png").symlink_to("/etc/passwd")
    (root / "away").symlink_to("/etc")

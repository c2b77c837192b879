"""``python -m processors.engines.tiny_model DIRECTORY``: a model that makes noise.

A whole Stable Diffusion pipeline of a few megabytes with random weights, built in
seconds from nothing: what is real about it is its road, from tokenizer to picture. For
tests and for trying things out; it bears its nature in its name.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

NAME = "tiny-random-stable-diffusion"
SIDE_PX = 64

_WIDTH = 32
_START, _END = "<|startoftext|>", "<|endoftext|>"

_CARD = f"""\
---
tags: [tiny-random, text-to-image]
library_name: diffusers
---
# {NAME}

**Random weights.** Nobody has trained this model: whatever it makes is noise, of
{SIDE_PX}x{SIDE_PX} pixels at best. Built by `python -m processors.engines.tiny_model`
(seed {{seed}}) to try the road that a real model goes.
"""


def build(directory: Path, *, seed: int = 0) -> Path:
    """Build the model; the same seed gives the same weights.

    Args:
        directory: Is made; must be empty or absent.
        seed: Of all weights.

    Returns:
        The directory.

    Raises:
        FileExistsError: There is something in it already.
    """
    if directory.exists() and any(directory.iterdir()):
        raise FileExistsError(directory)
    directory.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    tokenizer = _tokenizer()
    pipeline = StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=_text_encoder(tokenizer),
        tokenizer=tokenizer,
        unet=_unet(),
        scheduler=DDIMScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(directory, safe_serialization=True)
    index = directory / "model_index.json"
    said = {"_name_or_path": NAME} | json.loads(index.read_bytes())
    index.write_text(json.dumps(said | {"_name_or_path": NAME}, indent=2) + "\n")
    (directory / "README.md").write_text(_CARD.format(seed=seed))
    return directory


def main(arguments: Sequence[str] | None = None) -> int:
    """Build it where the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m processors.engines.tiny_model", description=__doc__
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        build(options.directory, seed=options.seed)
    except OSError as exc:
        print(f"It can't be built there: {exc!r}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _tokenizer() -> Any:
    """Take letters for words: a token for each byte, and for each that ends a word."""
    letters = _byte_letters()
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), _START, _END]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=[],
        bos_token=_START,
        eos_token=_END,
        unk_token=_END,
        pad_token=_END,
        model_max_length=77,
    )


def _byte_letters() -> list[str]:
    """Give each byte the letter that byte-level tokenizers write for it."""
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (byte for byte in range(0x100) if byte not in plain)
    return [chr(byte) for byte in sorted(plain)] + [
        chr(0x100 + n) for n, _ in enumerate(others)
    ]


def _text_encoder(tokenizer: Any) -> Any:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=_WIDTH,
            intermediate_size=2 * _WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=77,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    ).eval()


def _unet() -> Any:
    return UNet2DConditionModel(
        sample_size=SIDE_PX // 8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=_WIDTH,
        attention_head_dim=2,
        norm_num_groups=8,
    ).eval()


def _vae() -> Any:
    """Four levels, as real ones: with fewer, large pictures exhaust the memory."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(8, 16, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=SIDE_PX,
    ).eval()


if __name__ == "__main__":
    sys.exit(main())

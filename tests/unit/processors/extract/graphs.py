"""Graphs of ComfyUI that tests make up."""

from typing import Any

Graph = dict[str, dict[str, Any]]


def node(kind: str, **inputs: Any) -> dict[str, Any]:  # noqa: ANN401  (any JSON value)
    return {"class_type": kind, "inputs": inputs}


def simple(**sampler: Any) -> Graph:  # noqa: ANN401  (any JSON value)
    """Make the graph that ComfyUI starts with, its sampler changed."""
    settings = {
        "seed": 7,
        "steps": 20,
        "cfg": 8,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1,
        "model": ["4", 0],
        "positive": ["6", 0],
        "negative": ["7", 0],
        "latent_image": ["5", 0],
    }
    return {
        "3": node("KSampler", **{**settings, **sampler}),
        "4": node("CheckpointLoaderSimple", ckpt_name="dream.safetensors"),
        "5": node("EmptyLatentImage", width=512, height=768, batch_size=1),
        "6": node("CLIPTextEncode", text="a cat", clip=["4", 1]),
        "7": node("CLIPTextEncode", text="a dog", clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", filename_prefix="x", images=["8", 0]),
    }


def flux() -> Graph:
    """Make a graph of Flux, whose sampler's settings are nodes of their own."""
    return {
        "5": node("EmptySD3LatentImage", width=1024, height=576, batch_size=1),
        "8": node("VAEDecode", samples=["13", 0], vae=["10", 0]),
        "9": node("SaveImage", filename_prefix="x", images=["8", 0]),
        "10": node("VAELoader", vae_name="ae.safetensors"),
        "11": node(
            "DualCLIPLoader",
            clip_name1="t5xxl_fp16.safetensors",
            clip_name2="clip_l.safetensors",
            type="flux",
        ),
        "12": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="x"),
        "13": node(
            "SamplerCustomAdvanced",
            noise=["25", 0],
            guider=["22", 0],
            sampler=["16", 0],
            sigmas=["17", 0],
            latent_image=["5", 0],
        ),
        "16": node("KSamplerSelect", sampler_name="euler"),
        "17": node(
            "BasicScheduler", scheduler="simple", steps=28, denoise=1, model=["30", 0]
        ),
        "22": node("BasicGuider", model=["30", 0], conditioning=["40", 0]),
        "25": node("RandomNoise", noise_seed=2**64 - 1),
        "30": node(
            "LoraLoaderModelOnly",
            lora_name="folder/anime.safetensors",
            strength_model=0.7,
            model=["31", 0],
        ),
        "31": node(
            "LoraLoader",
            lora_name="detail.safetensors",
            strength_model=0.4,
            strength_clip=1,
            model=["12", 0],
            clip=["11", 0],
        ),
        "40": node(
            "CLIPTextEncodeFlux",
            clip_l="a lighthouse",
            t5xxl="a lighthouse in a storm",
            guidance=3.5,
            clip=["31", 1],
        ),
    }

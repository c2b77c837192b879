"""``python -m processors.engines.local_training_child``: trains one LoRA.

Started by ``processors.engines.local_training`` only. Learns as the papers say: a
picture's latents, noise at a random time, and the low-rank matrices on the U-Net's
attention moved towards telling that noise.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from diffusers import DDPMScheduler
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

from catalog.clock import SystemClock
from processors.engines.child_side import ChildFailedError, Parent, serve
from processors.engines.diffusion_child import (
    load_pipeline,
    picture_of,
    save_picture,
)
from processors.engines.lora_header import trainer_metadata
from processors.engines.training_examples import Example, read_examples
from processors.engines.training_state import (
    Progress,
    fingerprint,
    read_state,
    write_state,
)

_ATTENTION = ("to_k", "to_q", "to_v", "to_out.0")
_MOST_NORM = 1.0
_UNITS_OF_A_STEP = 3
"""Of the limits on time: the way there, and the way back twice as long."""

_PREVIEW_STEPS = 20
_PREVIEW_GUIDANCE = 7.5
_PREVIEW_SHARE = 5.0
"""Per cent of the progress that the preview is."""

_DEFAULT_SIDE_PX = 512
_FAMILIES = {768: "stable-diffusion-v1", 1024: "stable-diffusion-v2"}
"""By the width of the prompt's embedding."""


def train(task: Mapping[str, Any], parent: Parent) -> Mapping[str, Any]:
    """Train, write down, and show a picture; see ``child_side.serve``.

    Raises:
        ChildFailedError: The model, an example or a value can't be used.
    """
    pipeline = load_pipeline(task["model"])
    side = task["resolution"] or _side_of(pipeline)
    examples = read_examples(task["examples"], side=side, trigger=task["trigger"])
    torch.manual_seed(task["seed"])
    rank = int(task["rank"])
    config = LoraConfig(
        r=rank,
        lora_alpha=rank,
        init_lora_weights="gaussian",
        target_modules=list(_ATTENTION),
    )
    pipeline.unet.add_adapter(config, adapter_name="default")
    loop = _Loop(pipeline, task, parent)
    losses = loop.run(examples)
    facts: dict[str, Any] = {
        "baseModel": task["name"],
        "trigger": task["trigger"],
        "rank": rank,
        "alpha": rank,
        "steps": task["steps"],
        "learningRate": task["learning_rate"],
        "resolution": side,
        "seed": task["seed"],
        "imageCount": len(examples),
        "captionCount": sum(example.has_caption for example in examples),
        "firstLoss": round(fmean(losses[: max(len(losses) // 10, 1)]), 6),
        "lastLoss": round(fmean(losses[-max(len(losses) // 10, 1) :]), 6),
    }
    _write_weights(pipeline, task, side, examples)
    _write_config(task, facts)
    _write_preview(pipeline, task, side, examples, parent)
    told = {name: value for name, value in facts.items() if name != "trigger"}
    if loop.resumed_at:
        told["resumedAt"] = loop.resumed_at
    return told | {
        "version": version("diffusers"),
        "peftVersion": version("peft"),
    }


class _Loop:
    """The loop itself: one example a step, in a random order."""

    def __init__(
        self,
        pipeline: Any,
        task: Mapping[str, Any],
        parent: Parent,
    ) -> None:
        self.resumed_at = 0
        self._pipeline = pipeline
        self._task = task
        self._clock = SystemClock()
        self._kept_at = 0.0
        self._steps = int(task["steps"])
        self._parent = parent
        self._noising = DDPMScheduler.from_config(pipeline.scheduler.config)
        self._moved = [p for p in pipeline.unet.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(
            self._moved, lr=float(task["learning_rate"]), weight_decay=0.01
        )
        self._texts: dict[str, Any] = {}

    def run(self, examples: Sequence[Example]) -> list[float]:
        """Return the loss of each step."""
        latents = [self._latents_of(n, one) for n, one in enumerate(examples, start=1)]
        mark = fingerprint(self._task, [example.caption for example in examples])
        progress = self._last(mark)
        self._pipeline.unet.train()
        while progress.done < self._steps:
            order = progress.order = (
                progress.order or torch.randperm(len(examples)).tolist()
            )
            place = order.pop()
            text = self._text_of(examples[place].caption)
            progress.losses.append(self._learn(latents[place], text, progress.done + 1))
            progress.done += 1
            self._keep(progress, mark)
            self._tell(len(examples), progress.done)
        self._pipeline.unet.eval()
        return progress.losses

    def _last(self, mark: str) -> Progress:
        """Go on from a checkpoint, if there is one of this very training."""
        found = None
        if (path := self._task["checkpoint"]) is not None:
            found = read_state(Path(path), self._pipeline.unet, self._optimizer, mark)
        progress = found or Progress()
        self.resumed_at = progress.done
        self._kept_at = self._clock.monotonic()
        return progress

    def _keep(self, progress: Progress, mark: str) -> None:
        """Leave a checkpoint for the worker, now and then."""
        seconds, now = self._task["checkpoint_seconds"], self._clock.monotonic()
        if seconds is None or progress.done == self._steps:
            return
        if now - self._kept_at >= seconds:
            name = f"checkpoint-{progress.done:06d}.safetensors"
            path = Path(self._task["folder"]) / name
            write_state(path, self._pipeline.unet, self._optimizer, progress, mark)
            self._kept_at = now

    def _latents_of(self, number: int, example: Example) -> Any:
        with torch.no_grad():
            found = self._pipeline.vae.encode(example.pixels[None]).latent_dist
        self._parent.tell(_UNITS_OF_A_STEP * number, 0)
        return found

    def _text_of(self, caption: str) -> Any:
        if caption not in self._texts:
            with torch.no_grad():
                self._texts[caption], _ = self._pipeline.encode_prompt(
                    caption, "cpu", 1, do_classifier_free_guidance=False
                )
        return self._texts[caption]

    def _learn(self, latents: Any, text: Any, step: int) -> float:
        clean = latents.sample() * self._pipeline.vae.config.scaling_factor
        noise = torch.randn_like(clean)
        time = torch.randint(0, self._noising.config.num_train_timesteps, (1,))
        noisy = self._noising.add_noise(clean, noise, time)
        told = self._pipeline.unet(noisy, time, text, return_dict=False)[0]
        wanted = noise
        if self._noising.config.prediction_type == "v_prediction":
            wanted = self._noising.get_velocity(clean, noise, time)
        loss = torch.nn.functional.mse_loss(told, wanted)
        value = float(loss.item())
        if not math.isfinite(value):
            raise ChildFailedError(
                "engine_failed",
                f"The training ran away at step {step} (its loss is {value}); ask for "
                "a smaller `learningRate`.",
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._moved, _MOST_NORM)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return value

    def _tell(self, examples: int, step: int) -> None:
        self._parent.tell(
            _UNITS_OF_A_STEP * (examples + step),
            (100 - _PREVIEW_SHARE) * step / self._steps,
        )


def _side_of(pipeline: Any) -> int:
    """Take the size that the model was made for, up to what one core can do."""
    own = int(pipeline.unet.config.sample_size) * int(pipeline.vae_scale_factor)
    return min(own, _DEFAULT_SIDE_PX)


def _write_weights(
    pipeline: Any,
    task: Mapping[str, Any],
    side: int,
    examples: Sequence[Example],
) -> None:
    unet = pipeline.unet
    adapter = {
        f"unet.{name}": sorted(value) if isinstance(value, set) else value
        for name, value in unet.peft_config["default"].to_dict().items()
    }
    metadata = trainer_metadata(
        name=task["lora_name"],
        trigger=task["trigger"],
        base_model=task["name"],
        family=_FAMILIES.get(int(unet.config.cross_attention_dim)),
        engine=task["engine"],
        captions=[example.caption for example in examples],
        rank=int(task["rank"]),
        steps=int(task["steps"]),
        learning_rate=float(task["learning_rate"]),
        resolution=side,
        seed=int(task["seed"]),
        trained_at=SystemClock().now(),
    )
    metadata["format"] = "pt"
    metadata["lora_adapter_metadata"] = json.dumps(adapter, default=str, sort_keys=True)
    weights = {
        f"unet.{name}": tensor.detach().contiguous()
        for name, tensor in get_peft_model_state_dict(unet).items()
    }
    save_file(weights, Path(task["folder"]) / "model.safetensors", metadata)


def _write_config(task: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    config = {
        "name": task["lora_name"],
        "engine": task["engine"],
        "targetModules": list(_ATTENTION),
        "libraries": {name: version(name) for name in ("torch", "diffusers", "peft")},
    } | dict(facts)
    text = json.dumps(config, ensure_ascii=False, indent=2) + "\n"
    (Path(task["folder"]) / "config.json").write_text(text, encoding="utf-8")


def _write_preview(
    pipeline: Any,
    task: Mapping[str, Any],
    side: int,
    examples: Sequence[Example],
    parent: Parent,
) -> None:
    prompt = examples[0].caption or task["trigger"] or task["lora_name"]
    before = _UNITS_OF_A_STEP * (len(examples) + int(task["steps"]))

    def step_done(step: int) -> None:
        share = _PREVIEW_SHARE * step / _PREVIEW_STEPS
        parent.tell(before + step, 100 - _PREVIEW_SHARE + share)

    picture = picture_of(
        pipeline,
        prompt=prompt,
        negative_prompt=None,
        width=side,
        height=side,
        steps=_PREVIEW_STEPS,
        guidance=_PREVIEW_GUIDANCE,
        seed=int(task["seed"]),
        step_done=step_done,
    )
    sampler = type(pipeline.scheduler).__name__.removesuffix("Scheduler")
    parameters = (
        f"{prompt}\nSteps: {_PREVIEW_STEPS}, Sampler: {sampler}, "
        f"CFG scale: {_PREVIEW_GUIDANCE:g}, Seed: {task['seed']}, Size: {side}x{side}, "
        f"Model: {task['name']}"
    )
    save_picture(picture, Path(task["folder"]) / "preview.png", parameters)


if __name__ == "__main__":
    sys.exit(serve(train))

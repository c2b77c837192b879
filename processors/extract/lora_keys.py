"""What the names and shapes of tensors say: whose weights these are, and what kind.

Names are written in one way per trainer: ``lora_unet_….lora_down.weight`` by kohya's
scripts, ``transformer.….lora_A.weight`` by diffusers (with a leading
``base_model.model.`` by peft itself), ``unet:0:down`` by the first LoRA trainer.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from processors.extract.lora_metadata import MetadataFacts
from processors.extract.model_family import Family, family_of_keys, family_of_metadata
from processors.extract.result import Fact
from processors.extract.tensors import Tensor, parameters_of
from processors.extract.values import clean, known, load_json

MAX_TARGETS: Final = 50

_MAX_PARAMETERS = 2**63 - 1
_MAX_RANKS = 20


class Style(StrEnum):
    """Who writes adapters like this."""

    KOHYA = "kohya"
    DIFFUSERS = "diffusers"
    PEFT = "peft"
    CLONEOFSIMO = "cloneofsimo"


class Algorithm(StrEnum):
    """How the adapter's matrices make up the change of a weight."""

    LORA = "lora"
    LOHA = "loha"
    LOKR = "lokr"
    FULL = "full"


class _Part(NamedTuple):
    """A matrix of an adapter: what its name ends with, and what that means."""

    suffix: str
    style: Style | None
    algorithm: Algorithm
    has_rank: bool


_PARTS = (
    _Part(".lora_down.weight", Style.KOHYA, Algorithm.LORA, has_rank=True),
    _Part(".lora_up.weight", Style.KOHYA, Algorithm.LORA, has_rank=False),
    _Part(".lora_mid.weight", Style.KOHYA, Algorithm.LORA, has_rank=False),
    _Part(".lora_A.weight", Style.DIFFUSERS, Algorithm.LORA, has_rank=True),
    _Part(".lora_B.weight", Style.DIFFUSERS, Algorithm.LORA, has_rank=False),
    _Part(".lora_A.default.weight", Style.PEFT, Algorithm.LORA, has_rank=True),
    _Part(".lora_B.default.weight", Style.PEFT, Algorithm.LORA, has_rank=False),
    _Part(".lora.down.weight", Style.DIFFUSERS, Algorithm.LORA, has_rank=True),
    _Part(".lora.up.weight", Style.DIFFUSERS, Algorithm.LORA, has_rank=False),
    _Part("_lora.down.weight", Style.DIFFUSERS, Algorithm.LORA, has_rank=True),
    _Part("_lora.up.weight", Style.DIFFUSERS, Algorithm.LORA, has_rank=False),
    _Part("_lora1.down.weight", Style.DIFFUSERS, Algorithm.LORA, has_rank=True),
    _Part("_lora1.up.weight", Style.DIFFUSERS, Algorithm.LORA, has_rank=False),
    _Part("_lora2.down.weight", Style.DIFFUSERS, Algorithm.LORA, has_rank=True),
    _Part("_lora2.up.weight", Style.DIFFUSERS, Algorithm.LORA, has_rank=False),
    _Part(".lora_linear_layer.down.weight", Style.DIFFUSERS, Algorithm.LORA, True),  # noqa: FBT003  (a column)
    _Part(".lora_linear_layer.up.weight", Style.DIFFUSERS, Algorithm.LORA, False),  # noqa: FBT003  (a column)
    _Part(":down", Style.CLONEOFSIMO, Algorithm.LORA, has_rank=True),
    _Part(":up", Style.CLONEOFSIMO, Algorithm.LORA, has_rank=False),
    _Part(".hada_w1_b", Style.KOHYA, Algorithm.LOHA, has_rank=True),
    _Part(".hada_w1_a", Style.KOHYA, Algorithm.LOHA, has_rank=False),
    _Part(".hada_w2_b", Style.KOHYA, Algorithm.LOHA, has_rank=True),
    _Part(".hada_w2_a", Style.KOHYA, Algorithm.LOHA, has_rank=False),
    _Part(".lokr_w1_b", Style.KOHYA, Algorithm.LOKR, has_rank=True),
    _Part(".lokr_w1_a", Style.KOHYA, Algorithm.LOKR, has_rank=False),
    _Part(".lokr_w2_b", Style.KOHYA, Algorithm.LOKR, has_rank=True),
    _Part(".lokr_w2_a", Style.KOHYA, Algorithm.LOKR, has_rank=False),
    _Part(".lokr_w1", Style.KOHYA, Algorithm.LOKR, has_rank=False),
    _Part(".lokr_w2", Style.KOHYA, Algorithm.LOKR, has_rank=False),
    _Part(".diff", Style.KOHYA, Algorithm.FULL, has_rank=False),
)
_BY_SUFFIX = sorted(_PARTS, key=lambda part: -len(part.suffix))
_SUFFIXES = tuple(part.suffix for part in _BY_SUFFIX)
_KOHYA_PREFIXES = ("lora_unet_", "lora_te", "lycoris_", "lora_transformer_")
_PEFT_PREFIX = "base_model.model."
_COMPONENTS = (
    ("text_encoder", re.compile(r"lora_te|text_encoder|text_model|conditioner")),
    ("unet", re.compile(r"lora_unet_|unet[._:]|model\.diffusion_model\.")),
    ("transformer", re.compile(r"lora_transformer_|transformer[._]|diffusion_model")),
)
_BLOCK = re.compile(r"(?:blocks?|layers?|attentions|resnets)[._]\d+[._]")


def facts_of_tensors(
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    described: MetadataFacts,
) -> dict[str, Fact]:
    """Describe weights by their tensors, completed by their metadata.

    Args:
        tensors: Of the header, by name.
        metadata: ``__metadata__``.
        described: What the metadata said, already read.

    Returns:
        Facts of ``weights``, those of the metadata included.
    """
    split = [(name, _part_of(name)) for name in tensors]
    parts = [(name, part) for name, part in split if part is not None]
    ranks = Counter(
        tensors[name].shape[0]
        for name, part in parts
        if part.has_rank and tensors[name].shape
    )
    family, source = family_of_keys(tensors), "keys"
    if family is Family.UNKNOWN:
        family, source = family_of_metadata(metadata), "metadata"
    facts: dict[str, Fact | None] = {
        "form": _form(tensors, is_adapter=bool(parts)),
        "family": family.value,
        "familyFrom": None if family is Family.UNKNOWN else source,
        "tensorCount": len(tensors),
        **_numbers(tensors.values()),
        "components": _components(tensors),
    }
    if parts:
        facts |= {
            "style": _style(tensors, parts),
            "algorithm": Counter(p.algorithm.value for _, p in parts).most_common()[0][
                0
            ],
            "rank": _rank(ranks) or described.rank,
            "ranks": tuple(sorted(ranks)[:_MAX_RANKS]) if len(ranks) > 1 else None,
            "alpha": described.alpha,
            "targetModules": _targets(parts, metadata) or described.target_modules,
        }
    return known({**facts, **described.facts})


def _part_of(name: str) -> _Part | None:
    if not name.endswith(_SUFFIXES):
        return None
    return next(part for part in _BY_SUFFIX if name.endswith(part.suffix))


def _form(tensors: Mapping[str, Tensor], *, is_adapter: bool) -> str:
    """Tell adapters, embeddings (textual inversion) and whole models."""
    if is_adapter:
        return "adapter"
    is_small = 0 < len(tensors) <= 8 and all(  # noqa: PLR2004  (SDXL's have two)
        len(t.shape) <= 2  # noqa: PLR2004  (vectors, or rows of them)
        for t in tensors.values()
    )
    names = ("emb", "clip_l", "clip_g", "string_to_param", "<", "t5xxl")
    if is_small and all(name.startswith(names) for name in tensors):
        return "embedding"
    return "model"


def _style(
    tensors: Mapping[str, Tensor], parts: Iterable[tuple[str, _Part]]
) -> str | None:
    if any(name.startswith(_PEFT_PREFIX) for name in tensors):
        return Style.PEFT.value
    if any(name.startswith(_KOHYA_PREFIXES) for name in tensors):
        return Style.KOHYA.value
    styles = Counter(part.style.value for _, part in parts if part.style is not None)
    return styles.most_common(1)[0][0] if styles else None


def _rank(ranks: Mapping[int, int]) -> int | None:
    """Choose the rank that most matrices have, of equally many the larger."""
    return max(ranks, key=lambda rank: (ranks[rank], rank), default=None)


def _numbers(tensors: Iterable[Tensor]) -> dict[str, Fact | None]:
    by_type: Counter[str] = Counter()
    for tensor in tensors:
        by_type[clean(tensor.dtype)] += parameters_of(tensor)
    total = by_type.total()
    names = tuple(name for name, _ in by_type.most_common())
    return {
        "parameterCount": total if total <= _MAX_PARAMETERS else None,
        "dtype": names[0] if names else None,
        "dtypes": names[:_MAX_RANKS] if len(names) > 1 else None,
    }


def _components(names: Iterable[str]) -> tuple[str, ...]:
    found: set[str] = set()
    for name in names:
        plain = name.removeprefix(_PEFT_PREFIX)
        for component, pattern in _COMPONENTS:
            if pattern.match(plain):
                found.add(component)
                break
    return tuple(sorted(found))


def _targets(
    parts: Iterable[tuple[str, _Part]], metadata: Mapping[str, str]
) -> tuple[str, ...]:
    """Name the modules inside their blocks: ``attn2_to_k``, ``single_linear1``."""
    found: set[str] = set()
    for name, part in parts:
        if part.style is Style.CLONEOFSIMO:
            continue
        module = name.removesuffix(part.suffix)
        blocks = list(_BLOCK.finditer(module))
        inside = module[blocks[-1].end() :] if blocks else module.rpartition(".")[2]
        found.add(clean(inside.replace(".", "_"), 100))
    for component in ("unet", "text_encoder"):  # the first trainer names classes
        try:
            classes = load_json(metadata.get(component, "[]"))
        except ValueError:
            continue
        if isinstance(classes, list):
            found.update(clean(c, 100) for c in classes if isinstance(c, str))
    return tuple(sorted(found - {""})[:MAX_TARGETS])

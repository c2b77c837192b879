import json

import pytest

from tests.unit.processors.extract.lora_files import kohya, peft, read

SD1 = kohya("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k")
FLUX_KOHYA = kohya("lora_unet_double_blocks_3_img_attn_qkv", width=3072)


@pytest.mark.parametrize(
    ("shapes", "family", "style"),
    [
        (SD1, "sd1", "kohya"),
        (
            kohya(
                "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_v",
                width=1024,
            ),
            "sd2",
            "kohya",
        ),
        (
            kohya(
                "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", width=2048
            ),
            "sdxl",
            "kohya",
        ),
        (  # self-attention alone: the depth tells
            kohya(
                "lora_unet_input_blocks_8_1_transformer_blocks_7_attn1_to_k",
                width=1280,
            ),
            "sdxl",
            "kohya",
        ),
        (kohya("lora_te2_text_model_encoder_layers_0_mlp_fc1"), "sdxl", "kohya"),
        (kohya("lora_te_text_model_encoder_layers_0_mlp_fc1"), "sd1", "kohya"),
        (
            kohya("lora_te_text_model_encoder_layers_0_mlp_fc1", width=1024),
            "sd2",
            "kohya",
        ),
        (FLUX_KOHYA, "flux", "kohya"),
        (kohya("lora_unet_single_blocks_37_linear1", width=3072), "flux", "kohya"),
        (
            peft("transformer.single_transformer_blocks.3.attn.to_q"),
            "flux",
            "diffusers",
        ),
        (peft("transformer.transformer_blocks.18.attn.to_q"), "flux", "diffusers"),
        (
            peft("transformer.transformer_blocks.2.attn.add_q_proj", width=1536),
            "sd3",
            "diffusers",
        ),
        (kohya("lora_unet_joint_blocks_2_x_block_attn_qkv"), "sd3", "kohya"),
        (
            peft("unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"),
            "unknown",
            "diffusers",
        ),
        (
            peft("base_model.model.unet.mid_block.attentions.0.attn2.to_k", width=2048),
            "sdxl",
            "peft",
        ),
        (  # OneTrainer
            kohya("lora_transformer_transformer_blocks_3_attn_to_q", width=3072),
            "flux",
            "kohya",
        ),
        (  # XLabs
            {"double_blocks.0.processor.qkv_lora1.down.weight": (16, 3072)},
            "flux",
            "diffusers",
        ),
        (  # HunyuanVideo: Flux's names, other numbers
            kohya("lora_unet_double_blocks_3_img_mlp_fc1", width=3072),
            "unknown",
            "kohya",
        ),
        (  # Qwen-Image
            peft("transformer_blocks.59.attn.to_q"),
            "unknown",
            "diffusers",
        ),
        ({"unet:0:down": (1, 768), "unet:0:up": (320, 1)}, "sd1", "cloneofsimo"),
        (
            {
                "unet.up_blocks.1.attn2.processor.to_k_lora.down.weight": (4, 768),
                "unet.up_blocks.1.attn2.processor.to_k_lora.up.weight": (320, 4),
            },
            "sd1",
            "diffusers",
        ),
    ],
)
def test_names_and_shapes_tell_family_and_style(
    shapes: dict[str, tuple[int, ...]], family: str, style: str
) -> None:
    facts = read(shapes).facts

    assert (facts["family"], facts["style"]) == (family, style)
    assert facts.get("familyFrom") == (None if family == "unknown" else "keys")


@pytest.mark.parametrize(
    ("metadata", "family"),
    [
        ({"ss_base_model_version": "sd_v1"}, "sd1"),
        ({"ss_base_model_version": "sd_v2_768_v"}, "sd2"),
        ({"ss_base_model_version": "sdxl_base_v1-0"}, "sdxl"),
        ({"ss_base_model_version": "sd3.5_large"}, "sd3"),
        ({"ss_base_model_version": "flux1"}, "flux"),
        ({"modelspec.architecture": "stable-diffusion-v1/lora"}, "sd1"),
        ({"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}, "sdxl"),
        ({"modelspec.architecture": "stable-diffusion-3-medium/lora"}, "sd3"),
        ({"modelspec.architecture": "flux-1-dev/lora"}, "flux"),
        ({"modelspec.architecture": "flux-2-dev/lora"}, "unknown"),
        ({"modelspec.architecture": "qwen-image/lora"}, "unknown"),
        ({"ss_v2": "True"}, "sd2"),
        ({}, "unknown"),
    ],
)
def test_metadata_tells_the_family_where_names_do_not(
    metadata: dict[str, str], family: str
) -> None:
    facts = read(kohya("lora_unet_something_else", width=77), metadata).facts

    assert facts["family"] == family
    assert facts.get("familyFrom") == (None if family == "unknown" else "metadata")


def test_names_beat_metadata() -> None:
    facts = read(SD1, {"ss_base_model_version": "sdxl_base_v1-0"}).facts

    assert (facts["family"], facts["baseModelVersion"]) == ("sd1", "sdxl_base_v1-0")


def test_rank_size_and_modules_come_from_the_tensors() -> None:
    shapes = kohya(
        "lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_attn1_to_q",
        "lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_ff_net_2",
        rank=8,
        width=320,
    ) | kohya("lora_te_text_model_encoder_layers_7_mlp_fc1", rank=4)

    facts = read(shapes, {"ss_network_dim": "128", "ss_network_alpha": "2.5"}).facts

    assert (facts["rank"], facts["ranks"], facts["alpha"]) == (8, (4, 8), 2.5)
    assert facts["parameterCount"] == 2 * 2 * 8 * 320 + 2 * 4 * 768 + 3
    assert facts["dtype"] == "F16"
    assert facts["targetModules"] == ("attn1_to_q", "ff_net_2", "mlp_fc1")
    assert facts["components"] == ("text_encoder", "unet")
    assert (facts["form"], facts["algorithm"]) == ("adapter", "lora")


def test_rank_comes_from_metadata_where_tensors_do_not_show_it() -> None:
    facts = read(
        {"lora_unet_down_blocks_0_x.lokr_w1": (4, 4)}, {"ss_network_dim": "16"}
    ).facts

    assert (facts["rank"], facts["algorithm"]) == (16, "lokr")


def test_loha_has_the_rank_of_its_second_matrix() -> None:
    shapes = {"lora_unet_a.hada_w1_a": (320, 8), "lora_unet_a.hada_w1_b": (8, 320)}

    facts = read(shapes).facts

    assert (facts["rank"], facts["algorithm"]) == (8, "loha")


def test_weights_that_are_no_adapter_have_no_rank() -> None:
    facts = read(
        {"model.diffusion_model.middle_block.1.attn2.to_k.weight": (1280, 768)}
    ).facts

    assert (facts["form"], facts["family"]) == ("model", "sd1")
    assert not facts.keys() & {"rank", "style", "algorithm", "targetModules"}


@pytest.mark.parametrize(
    ("shapes", "family"),
    [
        ({"emb_params": (5, 768)}, "sd1"),
        ({"emb_params": (5, 1024)}, "sd2"),
        ({"clip_g": (2, 1280), "clip_l": (2, 768)}, "sdxl"),
    ],
)
def test_a_textual_inversion_is_an_embedding(
    shapes: dict[str, tuple[int, ...]], family: str
) -> None:
    facts = read(shapes).facts

    assert (facts["form"], facts["family"]) == ("embedding", family)


def test_the_settings_of_peft_are_read() -> None:
    adapter = {"transformer.r": 32, "transformer.lora_alpha": 64}

    facts = read(
        {"x.lora_B.weight": (9, 9)}, {"lora_adapter_metadata": json.dumps(adapter)}
    ).facts

    assert (facts["rank"], facts["alpha"]) == (32, 64.0)


def test_training_facts_come_from_metadata() -> None:
    facts = read(
        SD1,
        {
            "ss_output_name": "my_lora",
            "ss_sd_model_name": "v1-5.ckpt",
            "ss_epoch": "3",
            "ss_num_epochs": "10",
            "ss_steps": "1200",
            "ss_max_train_steps": "4000",
            "ss_num_train_images": "40",
            "ss_resolution": "(768, 512)",
            "ss_training_comment": "None",
            "modelspec.title": "My LoRA",
            "modelspec.thumbnail": "data:image/jpeg;base64,AAAA",
        },
    ).facts

    assert facts["outputName"] == "my_lora"
    assert facts["baseModelName"] == "v1-5.ckpt"
    assert (facts["epoch"], facts["epochs"]) == (3, 10)
    assert (facts["steps"], facts["maxSteps"], facts["imageCount"]) == (1200, 4000, 40)
    assert (facts["resolutionWidth"], facts["resolutionHeight"]) == (768, 512)
    assert facts["modelspec"] == {"title": "My LoRA"}
    assert "trainingComment" not in facts


def test_epoch_and_steps_of_ai_toolkit_are_read() -> None:
    facts = read(SD1, {"training_info": '{"step": 2000, "epoch": 7}'}).facts

    assert (facts["steps"], facts["epoch"]) == (2000, 7)


def test_trigger_words_come_from_all_that_name_them() -> None:
    datasets = [{"subsets": [{"class_tokens": "sks dog"}, {"class_tokens": None}]}]

    facts = read(
        SD1,
        {
            "modelspec.trigger_phrase": "ohwx",
            "ss_trigger_words": '["zwx", "ohwx"]',
            "instance_prompt": "a photo of zwx",
            "ss_datasets": json.dumps(datasets),
            "<s1>": "<embed>",
            "modelspec.trigger_other": "None",
        },
    ).facts

    assert facts["triggerWords"] == ("ohwx", "zwx", "a photo of zwx", "<s1>", "sks dog")


def test_tags_are_summed_up_over_datasets_and_ordered_by_count() -> None:
    frequency = {
        "10_a": {"1girl": 5, "Long_Hair": 3, "smile": 2},
        "1_b": {"long hair": 4, "^_^": 9, "x" * 200: 50, "smile": "?"},
    }

    facts = read(SD1, {"ss_tag_frequency": json.dumps(frequency)}).facts

    assert facts["tagSuggestions"] == ("long hair", "1girl", "smile")


def test_tags_of_datasets_count_where_the_summary_is_missing() -> None:
    datasets = [{"tag_frequency": {"img": {"sea": 2}}, "resolution": [512, 640]}]

    facts = read(SD1, {"ss_datasets": json.dumps(datasets)}).facts

    assert facts["tagSuggestions"] == ("sea",)
    assert (facts["resolutionWidth"], facts["resolutionHeight"]) == (512, 640)


def test_broken_metadata_is_noted_and_the_rest_is_read() -> None:
    extracted = read(SD1, {"ss_tag_frequency": "{", "ss_output_name": "x"})

    assert extracted.problems == ("ss_tag_frequency is no JSON, or too much of it.",)
    assert extracted.facts["outputName"] == "x"

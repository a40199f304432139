"""Which models see: the file says it, and where there is no file the name."""

from typing import Any

import pytest

from mlxq.catalog.vision import KEYWORDS, sees

SEEING = {
    "vision": "microsoft/Phi-3.5-vision-instruct",
    "vlm": "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
    "multimodal": "org/some-Multimodal-7b",
    "llava": "llava-hf/llava-1.5-7b-hf",
    "idefics": "HuggingFaceM4/Idefics3-8B-Llama3",
    "pixtral": "mlx-community/pixtral-12b-4bit",
    "gemma-3": "google/gemma-3-4b-it",
    "vl": "mlx-community/Qwen2-VL-2B-Instruct-4bit",
}


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_each_keyword_is_found_in_a_real_name(keyword: str) -> None:
    assert keyword in SEEING[keyword].lower()
    assert sees(SEEING[keyword], None)


@pytest.mark.parametrize(
    "name", ["Qwen/Qwen3-VL-8B", "Qwen/Qwen2.5-VL-7B", "org/qwen3vl", "google/gemma_3_4b"]
)
def test_words_of_a_name_are_parted_in_any_way(name: str) -> None:
    assert sees(name, None)


@pytest.mark.parametrize(
    "name", ["Qwen/Qwen3-4B", "google/gemma-2-9b", "org/bert-devlin", "vision-org/llama"]
)
def test_other_names_are_those_of_text_models(name: str) -> None:
    assert not sees(name, None)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "qwen2_vl", "vision_config": {"depth": 32}},
        {"model_type": "gemma3", "text_config": {}, "vision_config": {"image_size": 896}},
        {"model_type": "llava_qwen2", "mm_vision_tower": "mobileclip_l_1024"},
        {"model_type": "phi3_v"},
        {"model_type": "x", "image_token_id": 0},
    ],
)
def test_a_file_that_knows_pictures_wins_over_a_name_that_does_not(config: dict[str, Any]) -> None:
    assert sees("org/plain", config)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "gemma3_text"},
        {"model_type": "qwen3", "vision_config": None},
        {"model_type": "llama", "vision_config": {}},
        {},
    ],
)
def test_a_file_that_knows_none_wins_over_a_name_that_does(config: dict[str, Any]) -> None:
    assert not sees("google/gemma-3-vision-vl", config)

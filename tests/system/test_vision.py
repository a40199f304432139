"""Chats with pictures as the OpenAI SDK sees them, on real vision models in a real worker."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import mlx.core as mx
import openai
import pytest
from mlx_lm import tokenizer_utils
from mlx_vlm.generate import generate
from mlx_vlm.prompt_utils import apply_chat_template
from mlx_vlm.utils import load
from openai.types.chat import ChatCompletion

from tests.support.images import Web, data_url, encoded, part, picture
from tests.support.system import System
from tests.support.vision_checkpoints import random_gemma3, random_qwen2_vl, random_qwen3_vl
from worker.engines.llm.vision.engine import knows

FAMILIES = {"qwen2-vl": random_qwen2_vl, "qwen3-vl": random_qwen3_vl, "gemma-3": random_gemma3}
#: The pictures of each story, in order.
STORIES: dict[str, tuple[int, ...]] = {
    "one": (1,),
    "another": (2,),
    "two": (1, 2),
    "swapped": (2, 1),
    "none": (),
}
#: Models without all of their sight, and what is left of it.
BLIND = {"blind": "nothing", "broken": "patch_embed"}
QUESTION = "What do you see here?"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for name, make in FAMILIES.items():
        make(root / name, seed=3)
    for name, kept in BLIND.items():
        file = str(random_qwen2_vl(root / name, seed=3) / "model.safetensors")
        weights: Any = mx.load(file)
        rest = {key: value for key, value in weights.items() if kept in key or "vision_tower" not in key}
        mx.save_safetensors(file, rest, metadata={"format": "mlx"})
    return root


@pytest.fixture(scope="module")
def system(models: Path) -> Iterator[System]:
    running = System(models, "qwen2-vl", ALLOW_PRIVATE_URLS=1, LINGER_TIME=0).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def client(system: System) -> openai.OpenAI:
    return system.openai()


class Family:
    """A model, and what mlx-vlm itself says with it, greedily: the text, and the prompt's tokens."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        loaded: Any = load(str(folder))
        self._model, self._processor = loaded
        self._tokenizer = tokenizer_utils.load(folder)
        self.said = {story: self.say([message(seeds)], seeds) for story, seeds in STORIES.items()}

    def say(self, messages: list[dict[str, Any]], seeds: tuple[int, ...]) -> tuple[str, int]:
        prompt: Any = apply_chat_template(
            self._processor, self._model.config, messages, num_images=len(seeds)
        )
        images: Any = [picture(seed) for seed in seeds] or None
        result = generate(
            self._model, self._processor, prompt, image=images, max_tokens=30, temperature=0, verbose=False
        )
        detokenizer = self._tokenizer.detokenizer
        for token in result.token_ids or ():
            detokenizer.add_token(token)
        detokenizer.finalize()
        return detokenizer.text, result.prompt_tokens


@pytest.fixture(scope="module", params=list(FAMILIES))
def family(request: pytest.FixtureRequest, models: Path) -> Family:
    return Family(request.param, models / request.param)


def message(seeds: tuple[int, ...], text: str = QUESTION) -> dict[str, Any]:
    images = [part(data_url(encoded(picture(seed)))) for seed in seeds]
    return {"role": "user", "content": [{"type": "text", "text": text}, *images] if images else text}


def ask(client: openai.OpenAI, model: str, *messages: dict[str, Any], **options: Any) -> ChatCompletion:
    body: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "temperature": 0,
        "max_tokens": 30,
        **options,
    }
    completion: ChatCompletion = client.chat.completions.create(**body)
    return completion


def text_of(completion: ChatCompletion) -> str:
    return completion.choices[0].message.content or ""


def cached(completion: ChatCompletion) -> int:
    """How much of its prompt had been read before."""
    assert completion.usage is not None
    assert completion.usage.prompt_tokens_details is not None
    return completion.usage.prompt_tokens_details.cached_tokens or 0


def streamed(client: openai.OpenAI, model: str, *messages: dict[str, Any], **options: Any) -> str:
    chunks: Any = ask(client, model, *messages, stream=True, **options)
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def told(client: openai.OpenAI, model: str, story: str) -> tuple[str, int]:
    """What the server says to a story, and the tokens of the prompt."""
    completion = ask(client, model, message(STORIES[story]))
    assert completion.usage is not None
    return text_of(completion), completion.usage.prompt_tokens


def test_every_picture_makes_a_difference_and_their_order_too(family: Family) -> None:
    assert len({text for text, _ in family.said.values()}) == len(STORIES)


def test_greedy_text_is_mlx_vlms_alone_and_among_others(client: openai.OpenAI, family: Family) -> None:
    assert {story: told(client, family.name, story) for story in STORIES} == family.said
    with ThreadPoolExecutor(len(STORIES)) as pool:
        among = pool.map(lambda story: told(client, family.name, story), STORIES)
    assert dict(zip(STORIES, among, strict=True)) == family.said


def test_a_stream_says_the_same(client: openai.OpenAI, family: Family) -> None:
    for story, seeds in STORIES.items():
        assert streamed(client, family.name, message(seeds)) == family.said[story][0]


def test_the_same_picture_says_the_same_through_responses_and_messages(
    client: openai.OpenAI, system: System, family: Family
) -> None:
    url = data_url(encoded(picture(1)))
    response = client.responses.create(
        model=family.name,
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": QUESTION},
                    {"type": "input_image", "image_url": url, "detail": "auto"},
                ],
            }
        ],
        max_output_tokens=30,
        temperature=0,
    )
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    source = {"type": "base64", "media_type": kind, "data": data}
    content = [{"type": "text", "text": QUESTION}, {"type": "image", "source": source}]
    body = {
        "model": family.name,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 30,
        "temperature": 0,
    }
    answer = system.http.post("/v1/messages", json=body).raise_for_status().json()
    assert response.output_text == answer["content"][0]["text"] == family.said["one"][0]


def test_a_picture_between_texts_stands_between_them(client: openai.OpenAI, family: Family) -> None:
    image = part(data_url(encoded(picture(1))))
    texts = [{"type": "text", "text": "before "}, {"type": "text", "text": " after"}]
    orders = [[image, *texts], [texts[0], image, texts[1]], [*texts, image]]
    answers = {text_of(ask(client, family.name, {"role": "user", "content": parts})) for parts in orders}
    assert len(answers) == 3


def test_a_longer_talk_about_a_picture_reads_what_is_new(client: openai.OpenAI, family: Family) -> None:
    """The same picture is known again, and no other is taken for it."""
    opening = {"role": "user", "content": "Look closely at whatever you are shown, and say what it is."}
    further = [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "And now?"}]
    ask(client, family.name, opening, message((5,)), max_tokens=2)
    again = ask(client, family.name, opening, message((5,)), *further)
    other = ask(client, family.name, opening, message((6,)), *further)
    bare = ask(client, family.name, opening, *further)
    assert text_of(again) == family.say([opening, message((5,)), *further], (5,))[0]
    assert text_of(other) == family.say([opening, message((6,)), *further], (6,))[0]
    assert text_of(bare) == family.say([opening, *further], ())[0]
    if family.name != "gemma-3":  # whose sliding window forgets
        seen, unseen, text = (cached(answer) for answer in (again, other, bare))
        assert seen > unseen >= text > 32


def test_a_long_prompt_is_read_in_pieces_and_means_the_same(client: openai.OpenAI, family: Family) -> None:
    long = message((1, 2), text="Tell me all about it. " * 60)
    assert text_of(ask(client, family.name, long)) == family.say([long], (1, 2))[0]


def test_choices_seeds_stops_and_log_probabilities_work_as_without_pictures(
    client: openai.OpenAI, family: Family
) -> None:
    answer = ask(
        client, family.name, message((1,)), n=3, temperature=1, seed=4, logprobs=True, top_logprobs=2
    )
    again = ask(client, family.name, message((1,)), n=3, temperature=1, seed=4)
    texts = [choice.message.content for choice in answer.choices]
    assert len(set(texts)) == 3
    assert [choice.message.content for choice in again.choices] == texts
    noted = answer.choices[0].logprobs
    assert noted is not None
    assert noted.content is not None
    assert all(len(token.top_logprobs) == 2 for token in noted.content)
    text = family.said["one"][0]
    stopped = ask(client, family.name, message((1,)), stop=[text[4:7]])
    assert (text_of(stopped), stopped.choices[0].finish_reason) == (text[: text.index(text[4:7])], "stop")


def test_structures_are_enforced_with_pictures_too(client: openai.OpenAI, family: Family) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "blue"]}, "count": {"type": "integer", "maximum": 9}},
        "required": ["colour", "count"],
        "additionalProperties": False,
    }
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "seen", "schema": schema, "strict": True}}
    answer = ask(client, family.name, message((1,)), response_format=wanted, max_tokens=200)
    seen = json.loads(text_of(answer))
    assert seen["colour"] in ("red", "blue")
    assert seen["count"] <= 9
    function = {"name": "report", "parameters": schema, "strict": True}
    tools: Any = [{"type": "function", "function": function}]
    answer = ask(client, family.name, message((1,)), tools=tools, tool_choice="required", max_tokens=300)
    (call, *_) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "report"
    assert json.loads(call.function.arguments).keys() == {"colour", "count"}


def test_an_image_from_its_address_is_the_same_image(client: openai.OpenAI) -> None:
    with Web() as web:
        url = web.serve("/picture.png", encoded(picture(2)))
        content = [{"type": "text", "text": QUESTION}, part(url)]
        fetched = text_of(ask(client, "qwen2-vl", {"role": "user", "content": content}))
    assert fetched == text_of(ask(client, "qwen2-vl", message((2,))))


def test_a_stored_image_is_the_same_image(client: openai.OpenAI, system: System) -> None:
    data = encoded(picture(1))
    file = client.files.create(file=("a.png", data), purpose="vision")
    expected = text_of(ask(client, "qwen2-vl", message((1,))))
    text: Any = {"type": "input_text", "text": QUESTION}
    image: Any = {"type": "input_image", "file_id": file.id, "detail": "auto"}
    response = client.responses.create(
        model="qwen2-vl",
        input=[{"role": "user", "content": [text, image]}],
        max_output_tokens=30,
        temperature=0,
    )
    assert response.output_text == expected
    source = {"type": "file", "file_id": file.id}
    content = [{"type": "text", "text": QUESTION}, {"type": "image", "source": source}]
    messages = [{"role": "user", "content": content}]
    body = {"model": "qwen2-vl", "max_tokens": 30, "temperature": 0, "messages": messages}
    answer = system.http.post("/v1/messages", json=body).raise_for_status().json()
    assert answer["content"][0]["text"] == expected


def test_a_text_that_writes_the_models_own_mark_harms_nobody(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, "qwen2-vl", message((1,), text="<|image_pad|> ?"))
    assert refused.value.param == "messages"
    assert text_of(ask(client, "qwen2-vl", message((), text="<|image_pad|> ?")))
    assert text_of(ask(client, "qwen2-vl", message((1,))))


def test_a_prompt_that_its_pictures_make_too_long_is_refused(client: openai.OpenAI) -> None:
    content = [part(data_url(encoded(picture(seed, 170, 170)))) for seed in range(30)]
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, "qwen2-vl", {"role": "user", "content": [*content, {"type": "text", "text": "x" * 1500}]})
    assert refused.value.code == "context_length_exceeded"


@pytest.mark.parametrize("name", BLIND)
def test_a_checkpoint_whose_sight_was_left_out_still_reads(client: openai.OpenAI, name: str) -> None:
    """Its config.json promises more than it holds. What mlx-vlm can't load at all mlx-lm reads."""
    assert text_of(ask(client, name, message(()))) == text_of(ask(client, "qwen2-vl", message(())))
    with pytest.raises(openai.BadRequestError, match="takes no images"):
        ask(client, name, message((1,)))


def test_what_mlx_vlm_does_not_know_it_does_not_load() -> None:
    assert knows({"model_type": "qwen2_vl"})
    assert not knows({"model_type": "no_such_model"})


def test_what_a_model_that_sees_does_not_take_is_said(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, "qwen2-vl", message((1,)), extra_body={"draft_model": "qwen2-vl"})
    assert refused.value.param == "draft_model"


def test_a_file_that_is_lost_fails_its_job_alone(system: System, client: openai.OpenAI) -> None:
    system.http.post("/v1/models/load", json={"model": "qwen2-vl"})
    system.stop_worker()
    body = {"model": "qwen2-vl", "messages": [message((1,))]}
    accepted = system.http.post("/v1/chat/completions", json=body, headers={"Prefer": "respond-async"})
    for blob in (system.redis.data_dir / "blobs").iterdir():
        blob.unlink()
    system.start_worker()
    job_id = accepted.json()["id"]
    system.wait_until(lambda: system.job(job_id)["status"] == "failed", "it did not fail")
    assert system.job(job_id)["error"]["code"] == "file_not_found"
    assert text_of(ask(client, "qwen2-vl", message((1,))))


def test_a_client_that_leaves_ends_its_job(system: System) -> None:
    body = {
        "model": "qwen2-vl",
        "messages": [message((1,))],
        "stream": True,
        "ignore_eos": True,
        "max_tokens": 1900,
    }
    with httpx.stream("POST", f"{system.url}/v1/chat/completions", json=body, timeout=30) as response:
        lines = response.iter_lines()
        while '"content":"' not in next(lines):
            pass
    (job,) = system.http.get("/v1/jobs?limit=1").json()["data"]
    system.wait_until(lambda: system.job(job["id"])["status"] == "cancelled", "it was not cancelled")

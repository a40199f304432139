"""llama.cpp's addresses against all processes: what the tokenizer of the model that ships answers."""

from typing import Any

from tests.support.system import REPO, System

TEMPLATE = (REPO / "models" / "tiny-chat" / "chat_template.jinja").read_text()
QUESTION = [{"role": "user", "content": "What is the capital of Italy?"}]


def post(system: System, path: str, **body: Any) -> Any:
    return system.http.post(path, json=body).raise_for_status().json()


def test_tokens_become_their_text_again(tiny: System) -> None:
    text = "Où est la crème brûlée? 🦊<|im_end|>"
    tokens = post(tiny, "/tokenize", content=text)["tokens"]
    assert post(tiny, "/detokenize", tokens=tokens)["content"] == text
    assert post(tiny, "/tokenize", content="") == {"tokens": []}
    assert post(tiny, "/detokenize", tokens=[]) == {"content": ""}


def test_pieces_are_texts_or_bytes(tiny: System) -> None:
    text = "The fox 🦊 sleeps."
    plain = post(tiny, "/tokenize", content=text)["tokens"]
    pieces = post(tiny, "/tokenize", content=text, with_pieces=True)["tokens"]
    assert [each["id"] for each in pieces] == plain
    spelled = b"".join(
        each["piece"].encode() if isinstance(each["piece"], str) else bytes(each["piece"]) for each in pieces
    )
    assert spelled.decode() == text


def test_names_of_special_tokens_may_be_plain_text(tiny: System) -> None:
    parsed = post(tiny, "/tokenize", content="<|im_end|>")["tokens"]
    plain = post(tiny, "/tokenize", content="<|im_end|>", parse_special=False)["tokens"]
    assert len(parsed) == 1
    assert len(plain) > 1


def test_a_chat_is_its_prompt(tiny: System) -> None:
    """The prompt of `/apply-template` is the one that a chat reads, and makes `/completion` answer as a chat."""
    prompt = post(tiny, "/apply-template", messages=QUESTION)["prompt"]
    tokens = post(tiny, "/tokenize", content=prompt)["tokens"]
    chat = post(tiny, "/v1/chat/completions", model="default", messages=QUESTION, temperature=0)
    assert chat["usage"]["prompt_tokens"] == len(tokens)
    for given in (prompt, tokens):
        answer = post(tiny, "/completion", prompt=given, temperature=0)
        assert answer["content"].strip() == chat["choices"][0]["message"]["content"]
        assert (answer["tokens_evaluated"], answer["stop_type"]) == (len(tokens), "eos")


def test_props_tell_the_template(tiny: System) -> None:
    props = tiny.http.get("/props").raise_for_status().json()
    assert props["chat_template"] == TEMPLATE
    assert (props["model_alias"], props["model_path"]) == ("tiny-chat", "tiny-chat")
    assert props["default_generation_settings"]["n_ctx"] > 0
    assert post(tiny, "/tokenize", content=props["eos_token"])["tokens"]
    assert str(REPO) not in str(props)


def test_a_token_that_no_model_has_is_refused(tiny: System) -> None:
    answer = tiny.http.post("/detokenize", json={"tokens": [1, 2**31 - 1]})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")

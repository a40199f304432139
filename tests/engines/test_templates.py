"""Chat templates are rendered as transformers renders them, by a process that ends where they run away."""

import resource
import shutil
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from jobs.errors import InvalidRequest, ServiceUnavailable
from tests.engines.test_histories import HISTORIES, reader, said
from tests.support.payloads import typed
from tests.support.templates import STYLES
from worker.engines.llm.prompts import rendering
from worker.engines.llm.prompts.history import readable
from worker.engines.llm.prompts.rendering import JinjaProcess, TemplateLimit
from worker.engines.llm.prompts.traits import Refusal

ECHO = "{{ messages[0].content }}"
#: What templates on the hub use beside loops and conditions.
FEATURES = {
    "namespace": "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}"
    "{{ ns.n }}",
    "break": "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m.content }}{% endfor %}",
    "json": "{{ tools|tojson }}{{ tools|tojson(indent=2) }}{{ '<é>'|tojson }}"
    "{{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }}",
    "generation": "{% set a = 1 %}{% generation %}{% set a = 2 %}{{ messages[0].content }}{% endgeneration %}{{ a }}",
    "dict": "{{ dict(a=1)|items|list }}{{ dict.fromkeys(['a'], 0) }}",
    "blocks": "a\n  {% if true %}\n  b\n  {% endif %}\n{#- c -#}\n d\n",
    "macro": "{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f(messages[0].role) }}{{ f(1.5) }}{{ f(none) }}",
    "strings": "{{ messages[0].content.split(' ')[-1].strip()|upper }}{{ 'a' in messages[0] }}{{ '%05d'|format(7) }}",
    "date": "{{ strftime_now('%Y')|length }}",
    "variables": "{{ bos_token }}{{ eos_token }}{{ enable_thinking }}{{ documents is none }}{{ nothing is defined }}",
    "reasoning": "{{ messages[0].thinking }}{{ messages[0].reasoning_content }}",
}
RUNAWAYS = {
    "doubles": "{% set ns = namespace(s='xx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}"
    "{{ ns.s }}",
    "loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "writes": "{% for i in range(99999) %}{% for j in range(99999) %}{{ 'x' * 99 }}{% endfor %}{% endfor %}",
    "multiplies": "{{ 'x' * (10 ** 11) }}",
    "counts": "{{ (10 ** (10 ** 9)) % 7 }}",
    "pads": "{{ 'x'|center(10 ** 11) }}",
    "recurses": "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
}


@pytest.fixture
def jinja() -> Iterator[JinjaProcess]:
    process = JinjaProcess(cpu_seconds=0.5)
    yield process
    process.close()


def variables(messages: list[dict[str, Any]]) -> dict[str, Any]:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"a": [1, 2.5, None, "é"]}}}
    return {
        "messages": messages,
        "tools": [tool],
        "documents": None,
        "add_generation_prompt": True,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "enable_thinking": False,
    }


def library(template: str, given: dict[str, Any]) -> str:
    given = dict(given)
    render: Any = render_jinja_template
    [text], _ = render([given.pop("messages")], chat_template=template, **given)
    return str(text)


def outcome(render: Any, template: str, given: dict[str, Any]) -> tuple[str | None, str | None]:
    """The text, or what is said instead."""
    try:
        return render(template, given), None
    except Exception as error:
        return None, str(error)


@pytest.mark.parametrize("name", FEATURES)
def test_a_template_gives_what_it_gives_in_transformers(jinja: JinjaProcess, name: str) -> None:
    message = said("user", "Hello wörld", thinking="a", reasoning_content="a")
    given = variables([message, said("assistant", "b")])
    assert jinja.render(FEATURES[name], given) == library(FEATURES[name], given)


def test_families_templates_give_what_they_give_in_transformers(jinja: JinjaProcess) -> None:
    compared = 0
    for style in STYLES.values():
        for history in HISTORIES.values():
            given = variables(readable(history, short_ids=True))
            expected, refusal = outcome(library, style.template, given)
            assert outcome(jinja.render, style.template, given) == (expected, refusal)
            compared += refusal is None
    assert compared > 100


@pytest.mark.parametrize("name", RUNAWAYS)
def test_a_template_that_runs_away_is_ended(jinja: JinjaProcess, name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((TemplateLimit, Refusal)) as caught:
        jinja.render(RUNAWAYS[name], variables([said("user", "a")]))
    assert isinstance(caught.value, TemplateLimit), caught.value
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 50_000, f"the worker took {grown} kB"
    assert jinja.render(ECHO, variables([said("user", "still here")])) == "still here"


def test_the_process_ends_when_it_is_quiet_and_starts_again_when_it_is_needed() -> None:
    with closing(JinjaProcess(quiet_seconds=0.01)) as jinja:
        for text in ("one", "two", "three"):
            assert jinja.render(ECHO, variables([said("user", text)])) == text
            [process] = jinja._processes
            assert process.wait(60) == 0


def test_a_process_that_was_started_ahead_is_the_one_that_renders(jinja: JinjaProcess) -> None:
    jinja.start()
    ahead = list(jinja._processes)
    assert jinja.render(ECHO, variables([said("user", "one")])) == "one"
    assert jinja._processes == ahead


def test_a_process_that_is_killed_fails_no_rendering(jinja: JinjaProcess) -> None:
    jinja.start()
    [process] = jinja._processes
    process.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(jinja.render, ECHO, variables([said("user", "still here")]))
        while jinja._lock.acquire(blocking=False):  # until it is asked
            jinja._lock.release()
        process.kill()
        assert answer.result(60) == "still here"


def test_a_machine_that_is_too_busy_is_no_fault_of_the_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as busy:
        busy.setattr(rendering, "PATIENCE", 0.0)
        prompts = reader(tmp_path, "plain", ECHO)
        with pytest.raises(ServiceUnavailable, match="too busy"):
            prompts.read(typed({"messages": [said("user", "hi")]}))
    with closing(prompts):
        [prompt] = prompts.read(typed({"messages": [said("user", "hi")]}))
        assert prompts._tokenizer.decode(prompt.tokens) == "hi"


def test_a_process_that_does_not_start_is_no_fault_of_the_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", shutil.which("false"))
        prompts = reader(tmp_path, "plain", ECHO)
        with pytest.raises(ServiceUnavailable, match="does not start"):
            prompts.read(typed({"messages": [said("user", "hi")]}))
    with closing(prompts):
        [prompt] = prompts.read(typed({"messages": [said("user", "hi")]}))
        assert prompts._tokenizer.decode(prompt.tokens) == "hi"


def test_a_template_that_runs_away_is_a_400_and_others_are_answered(tmp_path: Path) -> None:
    template = (
        "{% if messages[0].content == 'boom' %}{{ 'x' * (10 ** 11) }}{% endif %}{{ messages[0].content }}"
    )
    with closing(reader(tmp_path, "plain", template)) as prompts:
        for _ in range(2):
            with pytest.raises(
                InvalidRequest, match=r"The model's chat template fails: it needs too much memory\."
            ):
                prompts.read(typed({"messages": [said("user", "boom")]}))
            # From now on it is rendered beside the engine's thread.
            assert prompts.is_long(typed({"messages": [said("user", "hi")]}))
        [prompt] = prompts.read(typed({"messages": [said("user", "hi")]}))
        assert prompts._tokenizer.decode(prompt.tokens) == "hi"


def test_a_template_that_always_runs_away_is_tried_once(tmp_path: Path) -> None:
    with closing(reader(tmp_path, "plain", RUNAWAYS["multiplies"])) as prompts:
        with pytest.raises(InvalidRequest, match="The model's chat template fails"):
            prompts.read(typed({"messages": [said("user", "hi")]}))
        [prompt] = prompts.read(typed({"prompts": ["hi"]}))
        assert len(prompt.tokens) == 2


def test_a_template_reaches_nothing_of_python(jinja: JinjaProcess) -> None:
    for template in (
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ raise_exception.__globals__ }}",
        "{{ dict.__init__.__globals__ }}",
        "{% set ns = namespace(a=1) %}{% set ns._x = 1 %}{{ ns._x }}",
    ):
        try:
            shown = jinja.render(template, variables([said("user", "a")]))
        except Refusal:
            continue
        assert shown == "", template

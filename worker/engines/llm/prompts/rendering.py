"""Renders chat templates: Jinja in a process of its own, because a template may not end.

This module knows templates. It does not know conversations. mlx-lm's own templates, which are Python code of the
library, run in this process.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from typing import Any

import orjson

from config.settings import REPO
from jobs.errors import ServiceUnavailable
from jobs.payloads import Message, Tool
from worker.engines.llm.prompts.traits import Refusal

#: Seconds of processor time that one rendering may take.
CPU_SECONDS = 2.0
#: Seconds of real time that a rendering, and the start of the process, may take on a machine that is busy.
PATIENCE = 20.0
#: Seconds without a rendering after which the process ends. The next rendering waits until it has started again.
QUIET = 60.0
#: Processes that may end under a rendering, one after the other, before the fault is taken to be the template's.
_TRIES = 2


class TemplateLimit(Exception):
    """The template exceeded a limit of time, memory or output. The message tells the user which."""


class JinjaProcess:
    """Call `render` from any thread, and `close` at the end. The process starts when it is needed."""

    def __init__(self, cpu_seconds: float = CPU_SECONDS, quiet_seconds: float = QUIET) -> None:
        self._options = [str(cpu_seconds), str(quiet_seconds)]
        #: at most one; it ends with this object, even without `close`
        self._processes: list[subprocess.Popen[bytes]] = []
        weakref.finalize(self, _end, self._processes)
        #: whether it has started, which it tells by one byte
        self._ready = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the process ahead of the first rendering."""
        with self._lock:
            self._running()

    def render(self, template: str, variables: dict[str, object]) -> str:
        """Raises Refusal, TemplateLimit, and ServiceUnavailable where the machine is too busy to tell."""
        request = {"template": template, "variables": variables}
        try:
            data = orjson.dumps(request)
        except TypeError:  # integers of more than 64 bits
            data = json.dumps(request, ensure_ascii=False).encode("utf-8", "replace")
        with self._lock:
            answer = self._ask(data)
            if answer[:1] == b"L":
                _end(self._processes)  # the process ends itself, which frees its memory
        letter, text = answer[:1], answer[1:].decode("utf-8", "replace")
        if letter == b"R":
            raise Refusal(text)
        if letter == b"L":
            raise TemplateLimit(text)
        return text

    def close(self) -> None:
        with self._lock:
            _end(self._processes)

    def _ask(self, data: bytes) -> bytes:
        died = 0
        while died < _TRIES:
            process = self._running()
            try:
                return self._exchange(process, data)
            except TimeoutError as error:
                # Had the template used that time, the kernel would have ended the process.
                _end(self._processes)
                raise ServiceUnavailable(
                    "The machine is too busy to render the model's chat template."
                ) from error
            except (OSError, EOFError) as error:
                code = _exit_code(process)
                _end(self._processes)
                if code == -signal.SIGPROF:
                    raise TemplateLimit("it takes too long") from error
                # Without an error it ended because it had been quiet, just when it was asked.
                died += code != 0 or not self._ready
        if not self._ready:
            raise ServiceUnavailable("The process that renders chat templates does not start.")
        raise TemplateLimit("it ends the process that renders it")

    def _exchange(self, process: subprocess.Popen[bytes], data: bytes) -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        if not self._ready:
            self._read(process.stdout.fileno(), 1, time.monotonic() + PATIENCE)
            self._ready = True
        until = time.monotonic() + PATIENCE
        process.stdin.write(len(data).to_bytes(4, "big") + data)
        process.stdin.flush()
        head = self._read(process.stdout.fileno(), 4, until)
        return self._read(process.stdout.fileno(), int.from_bytes(head, "big"), until)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._processes and self._processes[0].poll() is not None:
            _end(self._processes)
        if not self._processes:
            self._ready = False
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "worker.template_process", *self._options],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    cwd=REPO,
                )
            )
        return self._processes[0]

    @staticmethod
    def _read(source: int, size: int, until: float) -> bytes:
        pieces = bytearray()
        while len(pieces) < size:
            if not select.select([source], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError
            piece = os.read(source, min(size - len(pieces), 1 << 20))
            if not piece:
                raise EOFError
            pieces += piece
        return bytes(pieces)


class ChatTemplate:
    """The template of one tokenizer. Renderings of long conversations do not delay those of short ones."""

    def __init__(self, tokenizer: Any, jinja: JinjaProcess) -> None:
        """`tokenizer` is mlx-lm's wrapper. `jinja` is this template's own."""
        self._wrapper = tokenizer
        self._tokenizer = tokenizer._tokenizer
        self._short, self._long = jinja, JinjaProcess()
        # mlx-lm switches thinking on wherever the template knows the word; what the caller does not say is left to
        # the template's author instead. Templates that are Python code only the library can run.
        self._python = tokenizer._chat_template is not None or _renders_itself(self._tokenizer)

    def render(
        self, messages: list[Message], tools: list[Tool] | None, *, long: bool = False, **variables: Any
    ) -> str:
        """Raises Refusal and TemplateLimit."""
        if self._python:
            return self._by_library(messages, tools, variables)
        try:
            template = self._tokenizer.get_chat_template(None, tools)
        except ValueError as error:
            raise Refusal(str(error)) from error
        given = {
            **self._tokenizer.special_tokens_map,
            "documents": None,
            **variables,
            "messages": [_aliased(message) for message in messages],
            "tools": tools,
        }
        return (self._long if long else self._short).render(template, given)

    def close(self) -> None:
        self._short.close()
        self._long.close()

    def _by_library(
        self, messages: list[Message], tools: list[Tool] | None, variables: dict[str, object]
    ) -> str:
        options = {"tools": tools, "tokenize": False, **variables}
        try:
            if self._wrapper._chat_template is not None:
                return str(self._wrapper.apply_chat_template(messages, **options))
            return str(self._tokenizer.apply_chat_template(messages, return_dict=False, **options))
        except Exception as error:  # templates may raise any error
            raise Refusal(str(error)) from error


def _exit_code(process: subprocess.Popen[bytes]) -> int | None:
    """That of a process which has closed its pipes; None for one that does not end all the same."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(PATIENCE)
    return None


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    while processes:
        process = processes.pop()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _renders_itself(tokenizer: Any) -> bool:
    """Whether its class has a renderer of its own."""
    from transformers import PreTrainedTokenizerBase

    own = getattr(type(tokenizer), "apply_chat_template", None)
    return own is not PreTrainedTokenizerBase.apply_chat_template


def _aliased(message: Message) -> Message:
    """Without fields that are null, and with reasoning also under the name that gpt-oss' template reads."""
    message = {key: value for key, value in message.items() if value is not None}
    if reasoning := message.get("reasoning_content"):
        message.setdefault("thinking", reasoning)
    return message

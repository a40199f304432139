"""A process that renders chat templates for the worker, and ends when a rendering exceeds its limits.

Templates come with models, and may loop for ever or use up all memory. The process limits its memory, the processor
time of one rendering and the length of its output. It imports nothing but jinja2.

It ends when nothing was asked for a while, too: its 11 MB are a part of what an idle server takes.

A request is JSON `{"template", "variables"}`, an answer one letter and text: T the rendered text, R what the template
raised, L which limit it met. Both are preceded by their length in four bytes. Before
the first answer there is one byte, which tells that the process has started.
"""

import contextlib
import json
import resource
import select
import signal
import sys
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any, NoReturn

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox
import jinja2.utils

#: Bytes of address space of this process.
MEMORY_BYTES = 1 << 30
#: Characters that a rendering may have, beside four for each byte of its request.
OUTPUT_CHARACTERS = 8 << 20


class Namespace(jinja2.utils.Namespace):
    """Jinja's, without names that lead to Python's internals."""

    def __setitem__(self, name: str, value: Any) -> None:
        if str(name).startswith("_"):
            raise jinja2.exceptions.SecurityError("names in a namespace may not begin with '_'")
        super().__setitem__(name, value)


class Dictionary:
    """`dict` for templates: it can be called, but not inspected."""

    def __call__(self, *args: Any, **values: Any) -> dict[Any, Any]:
        return dict(*args, **values)

    def fromkeys(self, keys: Iterable[Any], value: Any = None) -> dict[Any, Any]:
        return dict.fromkeys(keys, value)


class Generation(jinja2.ext.Extension):
    """`{% generation %}`, which marks the assistant's text: renders its contents."""

    tags = {"generation"}  # noqa: RUF012 as jinja2 declares it

    def parse(self, parser: Any) -> jinja2.nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.Scope(body, lineno=line)


def raise_exception(message: str) -> NoReturn:
    raise jinja2.exceptions.TemplateError(message)


def to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: Any = None,
    separators: Any = None,
    sort_keys: bool = False,
) -> str:
    """JSON as it is: Jinja's own escapes HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


@cache
def environment() -> jinja2.Environment:
    """What transformers gives templates (huggingface.co/docs/transformers, chat templates)."""
    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    made.filters["tojson"] = to_json
    made.globals |= {
        "raise_exception": raise_exception,
        "strftime_now": lambda form: datetime.now().strftime(form),
        "dict": Dictionary(),
        "namespace": Namespace,
    }
    return made


@cache
def compiled(template: str) -> jinja2.Template:
    return environment().from_string(template)


def render(request: bytes) -> tuple[str, str]:
    """The letter and the text of an answer."""
    most = OUTPUT_CHARACTERS + 4 * len(request)
    try:
        asked = json.loads(request)
        pieces, length = [], 0
        for piece in compiled(asked["template"]).generate(**asked["variables"]):
            length += len(piece)
            if length > most:
                return "L", f"its output has more than {most} characters"
            pieces.append(piece)
        return "T", "".join(pieces)
    except MemoryError:
        return "L", "it needs too much memory"
    except RecursionError:
        return "L", "it calls itself without end"
    except Exception as error:  # templates raise whatever their authors chose
        return "R", f"{error}"[:2000] or type(error).__name__


def serve(cpu_seconds: float, quiet_seconds: float) -> None:
    """Answer requests until the worker ends, or asks nothing for `quiet_seconds`."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while select.select([source], [], [], quiet_seconds)[0] and (head := source.read(4)):
        request = source.read(int.from_bytes(head, "big"))
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        letter, text = render(request)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answer = letter.encode() + text.encode("utf-8", "replace")
        target.write(len(answer).to_bytes(4, "big") + answer)
        target.flush()
        if letter == "L":
            return  # its memory is freed with the process


def main(cpu_seconds: float, quiet_seconds: float) -> None:
    """`cpu_seconds`: processor time of one rendering, after which the kernel ends this process by SIGPROF."""
    # The terminal's Ctrl-C is for the worker, which closes this process when it no longer needs it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with contextlib.suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.buffer.write(b"+")
        sys.stdout.buffer.flush()
        serve(cpu_seconds, quiet_seconds)


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]))

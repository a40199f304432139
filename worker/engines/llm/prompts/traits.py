"""What a chat template accepts and renders, determined once by short conversations.

This module knows roles and calls. It does not know requests.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from jobs.payloads import Message, Tool

#: (messages, tools) → the prompt's text. Raises Refusal.
Render = Callable[[list[Message], list[Tool] | None], str]


class Refusal(Exception):
    """The template raised an error, whose message is for the user."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a template accepts and renders. `arguments`: the form of the arguments of calls."""

    system: bool = False
    several_systems: bool = False
    late_system: bool = False
    system_anywhere: bool = False
    users_in_a_row: bool = False
    assistants_in_a_row: bool = False
    assistant_first: bool = False
    tools: bool = False
    calls: bool = False
    arguments: Literal["object", "text"] = "object"
    broken_arguments: bool = False
    parallel_calls: bool = False
    user_after_result: bool = False


def traits_of(probe: Render) -> tuple[Traits, Traits]:
    """Probe a template with conversations of two to five messages, each also without parts that it may refuse for
    another reason.

    Probes of roles contain only texts: their results hold for every text. Probes of calls contain arguments and
    results that a template may require in another form, so that a refusal proves nothing.
    """
    shown: dict[str, bool] = {}
    likely: dict[str, bool] = {}

    def ask(
        trait: str, messages: list[Message], *texts: str, tools: list[Tool] | None = None, calls: bool = False
    ) -> bool:
        try:
            text = probe(messages, tools)
        except Refusal:
            shown[trait], likely[trait] = False, calls
        else:
            shown[trait] = likely[trait] = all(each in text for each in texts)
        return shown[trait]

    user, assistant = _said("user", "probe_a"), _said("assistant", "probe_b")
    later, system = _said("user", "probe_c"), _said("system", "probe_s")
    ask("system", [system, user], "probe_s", "probe_a")
    ask("several_systems", [system, _said("system", "probe_t"), user], "probe_s", "probe_t")
    late = [system, user, assistant, _said("system", "probe_t"), later]
    ask("late_system", late, "probe_s", "probe_t", "probe_c")
    ask("users_in_a_row", [user, later], "probe_a", "probe_c")
    ask("assistants_in_a_row", [user, assistant, _said("assistant", "probe_d"), later], "probe_b", "probe_d")
    ask("assistant_first", [assistant, user], "probe_b", "probe_a")
    ask("tools", [user], "probe_tool", tools=[_PROBE_TOOL])

    def ask_calls(trait: str, messages: list[Message], *texts: str) -> bool:
        # Some templates render calls only if there are tools.
        return ask(trait, messages, *texts, tools=[_PROBE_TOOL] if shown["tools"] else None, calls=True)

    one, other = _result("probe_1", "probe_r"), _result("probe_2", "probe_t")
    texts = ask_calls("broken_arguments", [user, _calls(_TEXT, "probe_1"), one], "probe_1", "probe_r")
    objects = ask_calls("calls", [user, _calls(_OBJECT, "probe_1"), one], "probe_1", "probe_r")
    form: Literal["object", "text"] = "text" if texts and not objects else "object"
    given = _TEXT if form == "text" else _OBJECT
    if form == "text":
        shown["calls"] = likely["calls"] = True
    elif not objects and likely["calls"]:
        # A template without tools may refuse only the result, and leave the call out.
        likely["calls"] = ask_calls("call", [user, _calls(given, "probe_1")], "probe_1") or likely["call"]
        del shown["call"], likely["call"]
    two = [user, _calls(given, "probe_1", "probe_2"), one, other]
    ask_calls("parallel_calls", two, "probe_1", "probe_2", "probe_r", "probe_t")
    # Mistral's older templates show the system message only with a user's message that is the last of all.
    ask_calls("system_anywhere", [system, user, _calls(given, "probe_1"), one], "probe_s")
    ask_calls("user_after_result", [user, _calls(given, "probe_1"), one, later], "probe_r", "probe_c")
    return Traits(**shown, arguments=form), Traits(**likely, arguments=form)


#: Nine letters and digits, as Mistral's templates require for ids of calls.
_PROBE_ID = "probe000"
_OBJECT = {"probe_member": "probe_value"}
_TEXT = json.dumps(_OBJECT)
_PROBE_TOOL: Tool = {
    "type": "function",
    "function": {
        "name": "probe_tool",
        "description": "probe",
        "parameters": {"type": "object", "properties": {"probe_member": {"type": "string"}}, "required": []},
    },
}


def _said(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def _calls(arguments: Any, *names: str) -> Message:
    calls = [
        {"id": _PROBE_ID + name[-1], "type": "function", "function": {"name": name, "arguments": arguments}}
        for name in names
    ]
    return {"role": "assistant", "content": "", "tool_calls": calls}


def _result(name: str, text: str) -> Message:
    return {"role": "tool", "content": text, "tool_call_id": _PROBE_ID + name[-1], "name": name}

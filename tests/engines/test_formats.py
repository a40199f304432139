"""What every family writes, read as reasoning, content and calls, however the text is cut into pieces."""

# ruff: noqa: E501, RUF001 (what is written stands on one line; DeepSeek writes wide bars)

import json
from typing import Any, NamedTuple

import pytest

from tests.support.written import family, read, splits, tool

TOOLS = [
    tool("get_weather", {"city": {"type": "string"}, "days": {"type": "integer"}}),
    tool("write_file", {"path": {"type": "string"}, "content": {"type": "string"}}),
    tool("noop"),
    tool("strict", {"text": {"type": "string"}}, additionalProperties=False),
]
OSLO = ("get_weather", {"city": "Oslo", "days": 2})
NOOP: tuple[str, dict[str, Any]] = ("noop", {})


class Wire(NamedTuple):
    """What a family writes, and what it means."""

    family: str
    signs: tuple[str, ...]
    text: str
    calls: list[tuple[str, dict[str, Any]]] = []  # noqa: RUF012 (a constant)
    content: str = ""
    reasoning: str = ""
    start: str = "content"


def file(content: str) -> tuple[str, dict[str, Any]]:
    return ("write_file", {"path": "a.txt", "content": content})


LITERAL = "write </parameter> or\n<tool_call>\n<function=f>\n<parameter=p>\n1\n</parameter>\n</function>\n</tool_call>\nso."
CODER = "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>"
GLM = "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>"
MINIMAX = '<minimax:tool_call>\n<invoke name="get_weather">\n<parameter name="city">Oslo</parameter>\n<parameter name="days">2</parameter>\n</invoke>\n'
DSML = '<｜DSML｜invoke name="get_weather">\n<｜DSML｜parameter name="city" string="true">Oslo</｜DSML｜parameter>\n<｜DSML｜parameter name="days" string="false">2</｜DSML｜parameter>\n</｜DSML｜invoke>\n'
JSON = '{"city": "Oslo", "days": 2}'
K2 = "<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>" + JSON + "<|tool_call_end|>"
V3 = f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{JSON}\n```<｜tool▁call▁end｜>"
K3 = '<|open|>call tool="get_weather" index="1"<|sep|><|open|>argument key="city" type="string"<|sep|>Oslo<|close|>argument<|sep|><|open|>argument key="days" type="number"<|sep|>2<|close|>argument<|sep|><|close|>call<|sep|>'
ANALYSIS = "<|channel|>analysis<|message|>The weather.<|end|><|start|>assistant"

WIRES = [
    # Hermes, Qwen
    Wire("hermes", (), f'<tool_call>\n{{"name": "get_weather", "arguments": {JSON}}}\n</tool_call>', [OSLO]),
    Wire("hermes, arguments first", (), f'<tool_call>{{"arguments": {JSON}, "name": "get_weather"}}</tool_call>', [OSLO]),
    Wire("hermes, arguments as text", (), f'<tool_call>{{"name": "get_weather", "arguments": {json.dumps(JSON)}}}</tool_call>', [OSLO]),
    Wire("hermes, two calls after text", (), f'I look.\n<tool_call>\n{{"name": "get_weather", "arguments": {JSON}}}\n</tool_call>\n<tool_call>\n{{"name": "noop"}}\n</tool_call>', [OSLO, NOOP], "I look."),
    Wire("hermes, thinks and calls", (), f'<think>\nHm.\n</think>\n\n<tool_call>\n{{"name": "get_weather", "arguments": {JSON}}}\n</tool_call>', [OSLO], "", "Hm."),
    Wire("hermes, marker in an argument", (), '<tool_call>\n{"name": "write_file", "arguments": {"path": "a.txt", "content": "</tool_call> \\"</tool_call>\\" }}"}}\n</tool_call>', [file('</tool_call> "</tool_call>" }}')]),
    Wire("hermes, no end", (), f'<tool_call>\n{{"name": "get_weather", "arguments": {JSON}}}', [OSLO]),
    Wire("hermes, a brace missing", (), f'<tool_call>\n{{"name": "get_weather", "arguments": {JSON}\n</tool_call>', [OSLO]),
    Wire("hermes, a brace too many", (), f'<tool_call>\n{{"name": "get_weather", "arguments": {JSON}}}}}\n</tool_call>', [OSLO]),
    Wire("hermes, a raw line", (), '<tool_call>\n{"name": "write_file", "arguments": {"path": "a.txt", "content": "a\n\tb"}}\n</tool_call>', [file("a\n\tb")]),
    Wire("hermes, Python's literals", (), "<tool_call>\n{'name': 'write_file', 'arguments': {'path': 'a.txt', 'content': 'it\\'s \"x\"',}}\n</tool_call>", [file("it's \"x\"")]),
    Wire("hermes, a function in it", (), f'<tool_call>{{"type": "function", "function": {{"name": "get_weather", "arguments": {JSON}}}}}</tool_call>', [OSLO]),
    Wire("hermes, unknown tool", (), '<tool_call>\n{"name": "x", "arguments": {}}\n</tool_call>', [], '{"name": "x", "arguments": {}}'),
    Wire("hermes, a word", (), "Write <tool_call> to call, </tool_call> to end.", [], "Write <tool_call> to call, </tool_call> to end."),
    Wire("hermes, name and object", (), f"<tool_call>\nget_weather\n{JSON}\n</tool_call>", [OSLO]),
    Wire("hermes, fenced", (), f'<tool_call>\n```json\n{{"name": "get_weather", "arguments": {JSON}}}\n```\n</tool_call>', [OSLO]),
    Wire("hermes, markers twice", (), f'<tool_call>\n<tool_call>\n{{"name": "get_weather", "arguments": {JSON}}}\n</tool_call>\n</tool_call>\nSo.', [OSLO], "So."),
    Wire("hermes, arguments beside the name", (), '<tool_call>\n{"type": "function", "name": "get_weather", "city": "Oslo", "days": 2}\n</tool_call>', [OSLO]),
    Wire("hermes, a list of no arguments", (), '<tool_call>\n{"name": "noop", "arguments": []}\n</tool_call>', [NOOP]),
    Wire("qwen2.5-coder", (), f'<tools>\n{{"name": "get_weather", "arguments": {JSON}}}\n</tools>', [OSLO]),
    Wire("qwen2.5-coder, a word", (), "Write <tools> around <function_call> to call.", [], "Write <tools> around <function_call> to call."),
    Wire("granite 20b", (), f'<function_call> {{"name": "get_weather", "arguments": {JSON}}}', [OSLO]),
    # Qwen3-Coder
    Wire("coder", (), CODER, [OSLO]),
    Wire("coder, json", (), f"<tool_call>\n<function=get_weather>\n{JSON}\n</function>\n</tool_call>", [OSLO]),
    Wire("coder, its end twice", (), f"{CODER}\n</tool_call>\n{CODER.replace('Oslo', 'Rome')}", [OSLO, ("get_weather", {"city": "Rome", "days": 2})]),
    Wire("coder, two after text", (), f"I look.\n\n{CODER}\n<tool_call>\n<function=noop>\n</function>\n</tool_call>", [OSLO, NOOP], "I look."),
    Wire("coder, text behind", (), f"{CODER}\nSo.", [OSLO], "So."),
    Wire("coder, markers in an argument", (), f"<tool_call>\n<function=write_file>\n<parameter=path>\na.txt\n</parameter>\n<parameter=content>\n{LITERAL}\n</parameter>\n</function>\n</tool_call>", [file(LITERAL)]),
    Wire("coder, marker at the end of one", (), "<tool_call>\n<function=write_file>\n<parameter=path>\na.txt\n</parameter>\n<parameter=content>\n</parameter>\n</parameter>\n</function>\n</tool_call>", [file("</parameter>")]),
    Wire("coder, parameters in one", (), "<tool_call>\n<function=write_file>\n<parameter=content>\n<function=f>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\n2\n</parameter>\n</function>\n</parameter>\n<parameter=path>\na.txt\n</parameter>\n</function>\n</tool_call>", [file("<function=f>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\n2\n</parameter>\n</function>")]),
    Wire("coder, a parameter in a strict one", (), "<tool_call>\n<function=strict>\n<parameter=text>\na</parameter>\n<parameter=zzz>\nb\n</parameter>\n</function>\n</tool_call>", [("strict", {"text": "a</parameter>\n<parameter=zzz>\nb"})]),
    Wire("coder, an invented parameter", (), "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=unit>\nC\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>", [("get_weather", {"city": "Oslo", "unit": "C", "days": 2})]),
    Wire("coder, a parameter twice", (), "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n</parameter>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>", [OSLO]),
    Wire("glm, an invented key", (), GLM.replace("</tool_call>", "<arg_key>unit</arg_key>\n<arg_value>C</arg_value>\n</tool_call>"), [("get_weather", {"city": "Oslo", "days": 2, "unit": "C"})]),
    Wire("coder, no <tool_call>", (), CODER.removeprefix("<tool_call>\n"), [OSLO]),
    Wire("coder, last end missing", (), "<tool_call>\n<function=write_file>\n<parameter=path>\na.txt\n</parameter>\n<parameter=content>\nab\n</function>\n</tool_call>", [file("ab")]),
    Wire("coder, thinks and calls", (), f"Hm.\n</think>\n\n{CODER}", [OSLO], "", "Hm.", "reasoning"),
    Wire("seed", ("<seed:tool_call>",), CODER.replace("tool_call>", "seed:tool_call>").replace("\n", ""), [OSLO]),
    # GLM
    Wire("glm", (), GLM, [OSLO]),
    Wire("glm, two, thinks", (), f"<think>Hm.</think>{GLM}\n<tool_call>noop\n</tool_call>", [OSLO, NOOP], "", "Hm."),
    Wire("glm, marker in an argument", (), "<tool_call>write_file<arg_key>path</arg_key><arg_value>a.txt</arg_value><arg_key>content</arg_key><arg_value>a</arg_value> b</tool_call>\nc</arg_value></tool_call>", [file("a</arg_value> b</tool_call>\nc")]),
    Wire("longcat", ("<longcat_tool_call>",), GLM.replace("tool_call", "longcat_tool_call").replace("arg_", "longcat_arg_"), [OSLO]),
    # Llama
    Wire("llama 3", ("<|start_header_id|>",), f'{{"name": "get_weather", "parameters": {JSON}}}', [OSLO]),
    Wire("llama 3, two", ("<|start_header_id|>",), f'{{"name": "get_weather", "parameters": {JSON}}}; {{"name": "noop", "parameters": {{}}}}', [OSLO, NOOP]),
    Wire("llama 3, python tag", ("<|python_tag|>",), f'<|python_tag|>{{"name": "get_weather", "parameters": {JSON}}}', [OSLO]),
    Wire("llama 3, built in", ("<|python_tag|>",), '<|python_tag|>get_weather.call(city="Oslo", days=2)', [OSLO]),
    Wire("llama 3, custom", ("<|python_tag|>",), f"<function=get_weather>{JSON}</function>", [OSLO]),
    Wire("fenced", (), f'```json\n{{"name": "get_weather", "arguments": {JSON}}}\n```', [OSLO]),
    Wire("fenced, as a call", (), f'```tool_call\n{{"name": "get_weather", "arguments": {JSON}}}\n```', [OSLO]),
    Wire("gemma 3", (), "```tool_code\nget_weather(city='Oslo', days=2)\n```", [OSLO]),
    Wire("fenced, python", (), "```python\nget_weather(city='Oslo', days=2)\n```", [], "```python\nget_weather(city='Oslo', days=2)\n```"),
    Wire("fenced, an answer", (), '```json\n{"name": "Oslo"}\n```', [], '```json\n{"name": "Oslo"}\n```'),
    Wire("llama 3, an answer", ("<|start_header_id|>",), '{"name": "Oslo", "parameters": {"a": 1}}', [], '{"name": "Oslo", "parameters": {"a": 1}}'),
    Wire("llama 3, an object", ("<|start_header_id|>",), '{"city": "Oslo"}', [], '{"city": "Oslo"}'),
    Wire("llama 3, in mid-answer", ("<|start_header_id|>",), 'Try {"name": "noop", "parameters": {}}', [], 'Try {"name": "noop", "parameters": {}}'),
    Wire("llama 4", ("<|python_start|>",), "[get_weather(city='Oslo', days=2), noop()]", [OSLO, NOOP]),
    Wire("llama 4, marked", ("<|python_start|>",), "<|python_start|>[get_weather(city='Oslo', days=2)]<|python_end|>", [OSLO]),
    Wire("llama 4, a list", ("<|python_start|>",), "[city(1), 2]", [], "[city(1), 2]"),
    # Mistral
    Wire("mistral, list", ("[TOOL_CALLS]",), f'[TOOL_CALLS] [{{"name": "get_weather", "arguments": {JSON}}}, {{"name": "noop", "arguments": {{}}}}]', [OSLO, NOOP]),
    Wire("mistral", ("[TOOL_CALLS]",), f"[TOOL_CALLS]get_weather[ARGS]{JSON}[TOOL_CALLS]noop[ARGS]{{}}", [OSLO, NOOP]),
    Wire("mistral, id", ("[TOOL_CALLS]",), f"[TOOL_CALLS]get_weather[CALL_ID]a1b2c3d4e[ARGS]{JSON}", [OSLO]),
    Wire("mistral, thinks", ("[TOOL_CALLS]",), f"[THINK]Hm.[/THINK]Sure.[TOOL_CALLS]get_weather[ARGS]{JSON}", [OSLO], "Sure.", "Hm."),
    Wire("mistral, marker in an argument", ("[TOOL_CALLS]",), '[TOOL_CALLS]write_file[ARGS]{"path": "a.txt", "content": "[TOOL_CALLS]noop[ARGS]{}"}', [file("[TOOL_CALLS]noop[ARGS]{}")]),
    # gpt-oss
    Wire("harmony", ("<|channel|>",), ANALYSIS + "<|channel|>final<|message|>Mild.", [], "Mild.", "The weather."),
    Wire("harmony, call", ("<|channel|>",), ANALYSIS + f"<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{JSON}<|call|>", [OSLO], "", "The weather."),
    Wire("harmony, recipient first", ("<|channel|>",), ANALYSIS + f" to=functions.get_weather<|channel|>commentary json<|message|>{JSON}", [OSLO], "", "The weather."),
    Wire("harmony, header twice", ("<|channel|>",), ANALYSIS + f"<|channel|>commentary to=functions.get_weather<|channel|>––commentary json<|message|>{JSON}<|call|>", [OSLO], "", "The weather."),
    Wire("harmony, another channel", ("<|channel|>",), "<|channel|>commentary to=assistant<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>So.", [], "So.", "Hm."),
    Wire("harmony, preamble", ("<|channel|>",), ANALYSIS + f"<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather<|message|>{JSON}<|call|><|start|>assistant<|channel|>commentary to=functions.noop<|message|>{{}}<|call|>", [OSLO, NOOP], "I look.", "The weather."),
    Wire("harmony, two thoughts", ("<|channel|>",), ANALYSIS + "<|channel|>analysis<|message|>Mild.<|end|><|start|>assistant<|channel|>final<|message|>Mild <think> it is.<|return|>", [], "Mild <think> it is.", "The weather.\n\nMild."),
    Wire("harmony, opened", ("<|channel|>",), "The weather.<|end|><|start|>assistant<|channel|>final<|message|>Mild.", [], "Mild.", "The weather.", "reasoning"),
    Wire("harmony, unknown tool", ("<|channel|>",), "<|channel|>commentary to=functions.x<|message|>{}<|call|>", [], "{}"),
    Wire("harmony, nothing of it", ("<|channel|>",), "Mild.", [], "Mild."),
    # the others
    Wire("kimi k2", ("<|tool_calls_section_begin|>",), f"I look.<|tool_calls_section_begin|>{K2}<|tool_call_begin|>functions.noop:1<|tool_call_argument_begin|>{{}}<|tool_call_end|><|tool_calls_section_end|>", [OSLO, NOOP], "I look."),
    Wire("kimi k2, without a section", ("<|tool_calls_section_begin|>",), K2, [OSLO]),
    Wire("kimi k2, section in singular", ("<|tool_calls_section_begin|>",), f"<|tool_call_section_begin|>{K2}<|tool_call_section_end|>", [OSLO]),
    Wire("kimi k3", ("<|end_of_msg|>",), f"<|open|>think<|sep|>Hm.<|close|>think<|sep|><|open|>response<|sep|>Sure.<|close|>response<|sep|><|open|>tools<|sep|>{K3}<|close|>tools<|sep|>", [OSLO], "Sure.", "Hm."),
    Wire("kimi k3, json", ("<|end_of_msg|>",), f'<|open|>tools<|sep|><|open|>call tool="get_weather" index="1"<|sep|><|open|>json type="object"<|sep|>{JSON}<|close|>json<|sep|><|close|>call<|sep|><|close|>tools<|sep|>', [OSLO]),
    Wire("kimi vl", ("◁think▷",), "◁think▷Hm.◁/think▷Sure.", [], "Sure.", "Hm."),
    Wire("deepseek v3", ("<｜tool▁calls▁begin｜>",), f"<｜tool▁calls▁begin｜>{V3}\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>noop\n```json\n{{}}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", [OSLO, NOOP]),
    Wire("deepseek r1, distilled", ("<｜tool▁calls▁begin｜>",), f"<｜tool▁calls｜>function<｜tool▁sep｜>get_weather\n```json\n{JSON}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", [OSLO]),
    Wire("deepseek r1, without a section", ("<｜tool▁calls▁begin｜>",), V3, [OSLO]),
    Wire("deepseek v3.1", ("<｜tool▁calls▁begin｜>",), f"Hm.</think>Sure.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{JSON}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", [OSLO], "Sure.", "Hm.", "reasoning"),
    Wire("deepseek v3.2", ("｜DSML｜",), f"Sure.\n\n<｜DSML｜function_calls>\n{DSML}</｜DSML｜function_calls>", [OSLO], "Sure."),
    Wire("gemma 4", ("<|tool_call>",), '<|channel>thought\nHm.\n<channel|><|tool_call>call:get_weather{city:<|"|>Oslo<|"|>,days:2}<tool_call|>', [OSLO], "", "Hm."),
    Wire("gemma 4, marker in an argument", ("<|tool_call>",), '<|tool_call>call:write_file{path:<|"|>a.txt<|"|>,content:<|"|>{"<tool_call|>"}<|"|>}<tool_call|><|tool_call>call:noop{}<tool_call|>', [file('{"<tool_call|>"}'), NOOP]),
    Wire("function gemma", ("<start_function_call>",), "<start_function_call>call:get_weather{city:<escape>Oslo<escape>,days:2}<end_function_call>", [OSLO]),
    Wire("minimax", ("<minimax:tool_call>",), f"<think>Hm.</think>{MINIMAX}<invoke name=\"noop\">\n</invoke>\n</minimax:tool_call>", [OSLO, NOOP], "", "Hm."),
    Wire("minicpm5", ('<function name="',), '<function name="write_file"><param name="path">a.txt</param><param name="content"><![CDATA[<b>\n</param>]]></param></function>\n<function name="noop"></function>', [file("<b>\n</param>"), NOOP]),
    Wire("lfm2", ("<|tool_call_start|>",), "<|tool_call_start|>[get_weather(city=\"Oslo\", days=2), noop()]<|tool_call_end|>Checking.", [OSLO, NOOP], "Checking."),
    Wire("lfm2, by place", ("<|tool_call_start|>",), "<|tool_call_start|>[get_weather('Oslo', 2), get_weather('Oslo', days=2)]<|tool_call_end|>", [OSLO, OSLO]),
    Wire("lfm2, json", ("<|tool_call_start|>",), f'<|tool_call_start|>[{{"name": "get_weather", "arguments": {JSON}}}]<|tool_call_end|>', [OSLO]),
    Wire("muse spark", ("muse_spark",), 'to=self<|message|>Hm.<|eom|><|start|>assistant to=get_weather<|message|><atem:function_calls><atem:invoke name="get_weather"><atem:parameter name="city">Oslo</atem:parameter><atem:parameter name="days">2</atem:parameter></atem:invoke></atem:function_calls><|eom|><|start|>assistant to=user<|message|>So.<|eot|>', [OSLO], "So.", "Hm."),
    Wire("granite", ("<|tool_call|>",), f'<|tool_call|>[{{"name": "get_weather", "arguments": {JSON}}}, {{"name": "noop", "arguments": {{}}}}]', [OSLO, NOOP]),
    Wire("phi 4 mini", ("<|tool_call|>",), f' functools[{{"name": "get_weather", "arguments": {JSON}}}]', [OSLO]),
    Wire("hunyuan, answers", ("<answer>",), "<think>\nHm.\n</think>\n<answer>\nSo.\n</answer>", [], "So.\n", "Hm."),
    Wire("command a", ("<|START_ACTION|>",), f'<|START_THINKING|>Hm.<|END_THINKING|><|START_ACTION|>[\n{{"tool_call_id": "0", "tool_name": "get_weather", "parameters": {JSON}}}\n]<|END_ACTION|>', [OSLO], "", "Hm."),
    Wire("command a, answers", ("<|START_ACTION|>",), "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Sure.<|END_RESPONSE|>", [], "Sure.", "Hm."),
    Wire("jamba", ("<tool_calls>",), f'<tool_calls>[\n{{"name": "get_weather", "arguments": {JSON}}}\n]</tool_calls>', [OSLO]),
    Wire("minimax m1", ("<tool_calls>",), f'<tool_calls>\n{{"name": "get_weather", "arguments": {JSON}}}\n{{"name": "noop", "arguments": {{}}}}\n</tool_calls>', [OSLO, NOOP]),
    Wire("hunyuan", ("<tool_calls>",), f"<tool_calls>\n<tool_call>get_weather\n```json\n{JSON}\n```\n</tool_call>\n<tool_call>noop\n```json\n{{}}\n```\n</tool_call>\n</tool_calls>", [OSLO, NOOP]),
    Wire("nemotron", ("<TOOLCALL>",), f'<TOOLCALL>[{{"name": "get_weather", "arguments": {JSON}}}]</TOOLCALL>', [OSLO]),
    Wire("olmo 3", ("<function_calls>",), "<function_calls>get_weather(city=\"Oslo\", days=2)\nnoop()\n</function_calls>", [OSLO, NOOP]),
    Wire("internlm", ("<|action_start|>",), f'<|action_start|><|plugin|>{{"name": "get_weather", "parameters": {JSON}}}<|action_end|>', [OSLO]),
    Wire("apertus", ("<|tools_prefix|>",), f'<|inner_prefix|>Hm.<|inner_suffix|><|tools_prefix|>[{{"get_weather": {JSON}}}]<|tools_suffix|>', [OSLO], "", "Hm."),
    # reasoning alone
    Wire("a mark in mid-answer", (), "Write <think> to think </think>, <think>so</think>.", [], "Write <think> to think </think>, <think>so</think>."),
    Wire("a mark behind a thought", (), "<think>a <think> b</think>\n\nc <think> d", [], "c <think> d", "a <think> b"),
    Wire("a thought without end", (), "Hm, 1 < 2 </thin", [], "", "Hm, 1 < 2 </thin", "reasoning"),
    Wire("a call in a thought", (), f'Hm.\n<tool_call>\n{{"name": "get_weather", "arguments": {JSON}}}\n</tool_call>\n', [OSLO], "", "Hm.", "reasoning"),
    Wire("a call only thought of", (), 'Not <tool_call>{"name": "noop"}</tool_call> now.</think>So.', [], "So.", 'Not <tool_call>{"name": "noop"}</tool_call> now.', "reasoning"),
]  # fmt: skip


@pytest.mark.parametrize("wire", WIRES, ids=[wire.family for wire in WIRES])
def test_a_familys_way_to_write_is_read_in_pieces_of_any_size(wire: Wire) -> None:
    for pieces in splits(wire.text):
        result = read(family(*wire.signs), pieces, TOOLS, wire.start)
        assert (result.content, result.reasoning) == (wire.content, wire.reasoning), pieces
        assert [(name, json.loads(arguments)) for name, arguments in result.calls] == wire.calls, pieces
        assert result.closed == len(wire.calls)


#: Their arguments hold a whole call's end: cut behind it, nothing shows that they go on.
AMBIGUOUS = ("coder, markers in an argument", "coder, parameters in one", "glm, marker in an argument")


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire.calls], ids=lambda wire: wire.family)
def test_a_call_that_is_cut_anywhere_is_a_call_as_far_as_it_goes(wire: Wire) -> None:
    of = family(*wire.signs)
    whole = read(of, [wire.text], TOOLS, wire.start).calls
    seen = 0
    for length in range(1, len(wire.text) + 1):
        text = wire.text[:length]
        result = read(of, [text], TOOLS, wire.start, cut=True)
        assert read(of, list(text), TOOLS, wire.start, cut=True).parts == result.parts, text
        # A name that has been seen stays, and arguments are the beginning of what they would have become.
        assert len(result.calls) >= seen, text
        seen = len(result.calls)
        for (name, arguments), (whole_name, all_) in zip(result.calls, whole, strict=False):
            assert name == whole_name
            assert all_.startswith(arguments) or wire.family in AMBIGUOUS, text
    assert seen == len(whole)


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire.calls], ids=lambda wire: wire.family)
def test_without_tools_there_are_no_calls(wire: Wire) -> None:
    result = read(family(*wire.signs), [wire.text], None, wire.start)
    assert result.calls == []
    if "thought" in wire.family or not wire.reasoning:
        assert result.content + result.reasoning


@pytest.mark.parametrize(
    "wire", [wire for wire in WIRES if len(wire.calls) > 1], ids=lambda wire: wire.family
)
def test_one_call_is_enough_where_several_are_not_wanted(wire: Wire) -> None:
    result = read(family(*wire.signs), list(wire.text), TOOLS, wire.start, several=False)
    assert [(name, json.loads(arguments)) for name, arguments in result.calls] == wire.calls[:1]


@pytest.mark.parametrize("gap", [" ", "\n", "x"])
def test_a_head_without_an_end_is_text(gap: str) -> None:
    """A name is short: what goes on for thousands of characters is not looked for again with each token."""
    text = f"[TOOL_CALLS]noop[CALL_ID]{gap * 3_000}[ARGS]{{}}"
    of = family("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]")
    whole = read(of, [text], TOOLS)
    assert (whole.calls, gap * 3_000 in whole.content) == ([], True)
    for size in (1, 7, 1_500):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert read(of, pieces, TOOLS).parts == whole.parts, size

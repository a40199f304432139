"""The formats of families. A row applies to a model whose template or vocabulary contains one of its signs."""

# ruff: noqa: RUF001 (DeepSeek writes wide bars)

from dataclasses import dataclass

import regex

from worker.engines.llm.formats import tags
from worker.engines.llm.formats.bracketed import Gemma, Pythonic
from worker.engines.llm.formats.calls import Calls, Reader, Report, Verdict, objects
from worker.engines.llm.formats.headed import DEEPSEEK, FUNCTION, KIMI_K2, NAMED, mistral
from worker.engines.llm.formats.source import Source, Wait
from worker.engines.llm.formats.typed import Tools


@dataclass(frozen=True, slots=True)
class Row:
    """The formats of one family. Without `signs` they apply to every model."""

    name: str
    signs: tuple[str, ...] = ()
    #: markers of reasoning, which count only at the start of an answer
    thinking: tuple[tuple[str, str], ...] = ()
    calls: tuple[Calls, ...] = ()
    #: markers around content, which are removed
    frames: tuple[str, ...] = ()
    #: whether an answer consists of messages with headers
    channels: bool = False


def _tool_call(source: Source, tools: Tools, report: Report) -> Wait[Verdict]:
    """After <tool_call>: JSON of Hermes and Qwen, tags of Qwen3-Coder or GLM, or a name and JSON."""
    while (yield from source.take("<tool_call>")):
        pass
    char = yield from source.skip_space()
    if char and char in "{[`":
        return (yield from _HERMES(source, tools, report))
    if char == "<":
        if (yield from source.take("<function=")):
            return (yield from _coder(source, tools, report))
        return Verdict.NONE
    if (yield from source.match(tags.GLM.call, source.pos)) is not None:
        return (yield from tags.GLM(source, tools, report))
    return (yield from NAMED(source, tools, report))


def _coder(source: Source, tools: Tools, report: Report) -> Wait[Verdict]:
    """After <function=: JSON of Llama 3.1, or the tags of Qwen3-Coder."""
    if (yield from source.match(FUNCTION.head, source.pos)) is not None:
        return (yield from FUNCTION(source, tools, report))
    source.pos -= len("<function=")
    return (yield from tags.QWEN_CODER(source, tools, report))


def _uncertain(reader: Reader, again: int = 0) -> Reader:
    """A reader after a marker that may be text: a call has to name a tool. `again`: characters of the marker that
    the reader reads.
    """

    def read(source: Source, tools: Tools, report: Report) -> Wait[Verdict]:
        source.pos -= again
        verdict = yield from reader(source, tools, report)
        return verdict if verdict is Verdict.READ else Verdict.NONE

    return read


def _lfm(source: Source, tools: Tools, report: Report) -> Wait[Verdict]:
    """After <|tool_call_start|>: Python's calls, or JSON."""
    json = yield from source.match(_JSON_BEGINS, source.pos)
    reader = _LFM_PYTHON if json is None else _LFM_JSON
    return (yield from reader(source, tools, report))


def _python_tag(source: Source, tools: Tools, report: Report) -> Wait[Verdict]:
    """After <|python_tag|>: JSON, or a call in Python."""
    char = yield from source.skip_space()
    return (yield from (_OBJECTS if char == "{" else _PYTHON)(source, tools, report))


def _tool_calls(source: Source, tools: Tools, report: Report) -> Wait[Verdict]:
    """After <tool_calls>: JSON objects, or calls with markers of their own."""
    verdict = Verdict.NONE
    while not report.full and (yield from source.take("<tool_call>")):
        if (yield from _tool_call(source, tools, report)) is not Verdict.READ:
            return verdict if verdict is Verdict.READ else Verdict.BROKEN
        yield from source.take("</tool_call>")
        verdict = Verdict.READ
    return verdict if verdict is Verdict.READ else (yield from _LISTED(source, tools, report))


_HERMES, _LISTED = objects("</tool_call>"), objects("</tool_calls>")
_LFM_PYTHON, _LFM_JSON = Pythonic(ends=("<|tool_call_end|>",)), objects("<|tool_call_end|>")
_OBJECTS, _PYTHON = objects(), Pythonic()
_JSON_BEGINS = regex.compile(r"\s*(?:\[\s*)?\{")

ROWS: tuple[Row, ...] = (
    Row(
        "Hermes, Qwen, Qwen3-Coder, GLM, Laguna and all that write as they do",
        thinking=(("<think>", "</think>"),),
        calls=(
            Calls(("<tool_call>",), "</tool_call>", _tool_call),
            Calls(("<function=",), "</tool_call>", _uncertain(_coder)),
            Calls(("<tools>",), "</tools>", _uncertain(objects("</tools>"))),
            Calls(("<function_call>",), "</function_call>", _uncertain(objects("</function_call>"))),
        ),
    ),
    Row(
        "Mistral",
        ("[TOOL_CALLS]", "[THINK]"),
        thinking=(("[THINK]", "[/THINK]"),),
        calls=(Calls(("[TOOL_CALLS]",), "", mistral),),
    ),
    Row("gpt-oss", ("<|channel|>",), channels=True),
    Row(
        "Llama",
        ("<|python_tag|>", "<|python_start|>", "<|start_header_id|>", "<|header_start|>"),
        calls=(
            Calls(("<|python_tag|>",), "<|eom_id|>", _python_tag),
            Calls(("<|python_start|>",), "<|python_end|>", _python_tag),
        ),
    ),
    Row(
        "DeepSeek V3, V3.1, R1",
        ("<｜tool▁calls▁begin｜>",),
        calls=(
            Calls(
                ("<｜tool▁calls▁begin｜>", "<｜tool▁calls｜>", "<｜tool▁call▁begin｜>"),
                "<｜tool▁calls▁end｜>",
                DEEPSEEK,
            ),
        ),
    ),
    Row(
        "DeepSeek V3.2",
        ("｜DSML｜", "deepseek_v32"),
        calls=(
            Calls(
                ("<｜DSML｜function_calls>", "<｜DSML｜tool_calls>"), "</｜DSML｜function_calls>", tags.DSML
            ),
        ),
    ),
    Row(
        "Kimi K2",
        ("<|tool_calls_section_begin|>",),
        calls=(
            Calls(
                ("<|tool_calls_section_begin|>", "<|tool_call_begin|>"),
                "<|tool_calls_section_end|>",
                KIMI_K2,
            ),
            Calls(("<|tool_call_section_begin|>",), "<|tool_call_section_end|>", KIMI_K2),
        ),
    ),
    Row(
        "Kimi K3",
        ("<|end_of_msg|>",),
        thinking=(("<|open|>think<|sep|>", "<|close|>think<|sep|>"),),
        calls=(Calls(("<|open|>tools<|sep|>",), "<|close|>tools<|sep|>", tags.KIMI_K3),),
        frames=("<|open|>response<|sep|>", "<|close|>response<|sep|>", "<|close|>message<|sep|>"),
    ),
    Row("Kimi-VL", ("◁think▷",), thinking=(("◁think▷", "◁/think▷"),)),
    Row(
        "Gemma 4",
        ("<|tool_call>", "<|channel>"),
        thinking=(("<|channel>thought", "<channel|>"),),
        calls=(Calls(("<|tool_call>",), "<tool_call|>", Gemma('<|"|>', "<tool_call|>")),),
    ),
    Row(
        "FunctionGemma",
        ("<start_function_call>",),
        calls=(
            Calls(
                ("<start_function_call>",),
                "<end_function_call>",
                Gemma("<escape>", "<end_function_call>"),
            ),
        ),
    ),
    Row(
        "MiniMax M2",
        ("<minimax:tool_call>",),
        calls=(Calls(("<minimax:tool_call>",), "</minimax:tool_call>", tags.MINIMAX),),
    ),
    Row(
        "MiniCPM5",
        ('<function name="',),
        calls=(Calls(("<function name=",), "", _uncertain(tags.MINICPM5, len("<function name="))),),
    ),
    Row(
        "LongCat",
        ("<longcat_tool_call>", "<longcat_think>"),
        thinking=(("<longcat_think>", "</longcat_think>"),),
        calls=(Calls(("<longcat_tool_call>",), "</longcat_tool_call>", tags.LONGCAT),),
    ),
    Row(
        "LFM2",
        ("<|tool_call_start|>", "<|tool_list_start|>"),
        calls=(Calls(("<|tool_call_start|>",), "<|tool_call_end|>", _lfm),),
    ),
    Row(
        "Muse Spark",
        ("<atem:function_calls>", "muse_spark"),
        calls=(Calls(("<atem:function_calls>",), "</atem:function_calls>", tags.MUSE),),
        channels=True,
    ),
    Row(
        "Seed-OSS",
        ("<seed:tool_call>", "<seed:think>"),
        thinking=(("<seed:think>", "</seed:think>"),),
        calls=(Calls(("<seed:tool_call>",), "</seed:tool_call>", tags.SEED),),
    ),
    Row(
        "Granite 3, Phi 4",
        ("<|tool_call|>",),
        calls=(Calls(("<|tool_call|>",), "<|/tool_call|>", objects("<|/tool_call|>")),),
    ),
    Row(
        "Phi 4 mini, FireFunction",
        ("<|tool_call|>", "functools"),
        calls=(Calls(("functools[",), "", _uncertain(objects(), len("["))),),
    ),
    Row("Hunyuan", ("<answer>",), frames=("<answer>", "</answer>")),
    Row("Granite 3.3", ("<response>",), frames=("<response>", "</response>")),
    Row(
        "Command A",
        ("<|START_ACTION|>", "<|START_THINKING|>"),
        thinking=(("<|START_THINKING|>", "<|END_THINKING|>"),),
        calls=(Calls(("<|START_ACTION|>",), "<|END_ACTION|>", objects("<|END_ACTION|>")),),
        frames=("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"),
    ),
    Row(
        "Jamba, MiniMax M1, Hunyuan",
        ("<tool_calls>",),
        calls=(Calls(("<tool_calls>",), "</tool_calls>", _tool_calls),),
    ),
    Row(
        "Nemotron",
        ("<TOOLCALL>",),
        calls=(Calls(("<TOOLCALL>",), "</TOOLCALL>", objects("</TOOLCALL>")),),
    ),
    Row(
        "Olmo 3",
        ("<function_calls>",),
        calls=(Calls(("<function_calls>",), "</function_calls>", Pythonic(ends=("</function_calls>",))),),
    ),
    Row(
        "InternLM",
        ("<|action_start|>",),
        calls=(
            Calls(
                ("<|action_start|><|plugin|>", "<|action_start|> <|plugin|>"),
                "<|action_end|>",
                objects("<|action_end|>"),
            ),
        ),
    ),
    Row(
        "Apertus",
        ("<|tools_prefix|>",),
        thinking=(("<|inner_prefix|>", "<|inner_suffix|>"),),
        calls=(Calls(("<|tools_prefix|>",), "<|tools_suffix|>", objects("<|tools_suffix|>")),),
    ),
    Row("EXAONE Deep", ("<thought>",), thinking=(("<thought>", "</thought>"),)),
    Row("Ling, Solar", ("<|think:start|>",), thinking=(("<|think:start|>", "<|think:end|>"),)),
)

"""The tags that families write around calls and arguments."""

# ruff: noqa: RUF001 (DeepSeek writes wide bars)

from typing import Any

import regex

from worker.engines.llm.formats.tagged import Tagged


def _tag(pattern: str) -> Any:
    return regex.compile(pattern)


QWEN_CODER = Tagged(
    _tag(r"<function=(?P<name>[^<>\n]{1,128})>"),
    "<function=",
    "</function>",
    _tag(r"<parameter=(?P<name>[^<>\n]{1,128})>"),
    "</parameter>",
    ("<tool_call>", "</tool_call>"),
    lines=True,
    guess=False,
)
SEED = Tagged(
    QWEN_CODER.call,
    "<function=",
    "</function>",
    QWEN_CODER.argument,
    "</parameter>",
    ("<seed:tool_call>", "</seed:tool_call>"),
    guess=False,
)
GLM = Tagged(
    _tag(r"(?:<tool_call>)?\s*(?P<name>[\w.-]{1,128})\s{0,64}(?=<arg_key>|</tool_call>)"),
    "<tool_call>",
    "</tool_call>",
    _tag(r"<arg_key>(?P<name>.*?)</arg_key>\s*<arg_value>"),
    "</arg_value>",
)
LONGCAT = Tagged(
    _tag(
        r"(?:<longcat_tool_call>)?\s*(?P<name>[\w.-]{1,128})\s{0,64}(?=<longcat_arg_key>|</longcat_tool_call>)"
    ),
    "<longcat_tool_call>",
    "</longcat_tool_call>",
    _tag(r"<longcat_arg_key>(?P<name>.*?)</longcat_arg_key>\s*<longcat_arg_value>"),
    "</longcat_arg_value>",
)
_NAME = r"""(?:"(?P<name>[^"<>]*)"|'(?P<name>[^'<>]*)'|(?P<name>[^\s"'<>]+))"""
MINIMAX = Tagged(
    _tag(rf"<invoke name={_NAME}>"),
    "<invoke name=",
    "</invoke>",
    _tag(rf"<parameter name={_NAME}>"),
    "</parameter>",
    ("<minimax:tool_call>", "</minimax:tool_call>"),
)
MINICPM5 = Tagged(
    _tag(rf"<function name={_NAME}>"),
    "<function name=",
    "</function>",
    _tag(rf"<param name={_NAME}>"),
    "</param>",
)
MUSE = Tagged(
    _tag(rf"<atem:invoke\s(?:[^>]*?\s)?name={_NAME}>"),
    "<atem:invoke",
    "</atem:invoke>",
    _tag(rf"<atem:parameter\s(?:[^>]*?\s)?name={_NAME}[^>]*>"),
    "</atem:parameter>",
    ("<atem:function_calls>", "</atem:function_calls>"),
)
DSML = Tagged(
    _tag(rf"<｜DSML｜invoke name={_NAME}>"),
    "<｜DSML｜invoke",
    "</｜DSML｜invoke>",
    _tag(rf'<｜DSML｜parameter name={_NAME}(?: string="(?P<text>true|false)")?>'),
    "</｜DSML｜parameter>",
    ("<｜DSML｜function_calls>", "</｜DSML｜function_calls>"),
)
_ATTRIBUTES = r"(?:\s+(?!key=|tool=|type=)[\w-]+=\"[^\"]*\")*"
KIMI_K3 = Tagged(
    _tag(rf'<\|open\|>call{_ATTRIBUTES}\s+tool="(?P<name>[^"]*)"{_ATTRIBUTES}\s*<\|sep\|>'),
    "<|open|>call",
    "<|close|>call<|sep|>",
    _tag(
        rf'<\|open\|>argument{_ATTRIBUTES}\s+key="(?P<name>[^"]*)"{_ATTRIBUTES}'
        rf'(?:\s+type="(?P<text>[^"]*)")?{_ATTRIBUTES}\s*<\|sep\|>'
    ),
    "<|close|>argument<|sep|>",
    ("<|open|>tools<|sep|>", "<|close|>tools<|sep|>"),
    whole=(
        _tag(rf'<\|open\|>json{_ATTRIBUTES}(?:\s+type="[^"]*")?\s*<\|sep\|>\s*'),
        "<|close|>json<|sep|>",
    ),
)

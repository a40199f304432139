"""Lark grammars of texts, as they are enforced within JSON strings."""

import json

import pytest
from llguidance import LLMatcher, LLTokenizer

from api.inputs.lark import NotKnown, within_json

PATCH = r"""
start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?

hunk: add_hunk | delete_hunk | update_hunk
add_hunk: "*** Add File: " filename LF add_line+
delete_hunk: "*** Delete File: " filename LF
update_hunk: "*** Update File: " filename LF change_move? change?

filename: /(.+)/
add_line: "+" /(.*)/ LF -> line

change_move: "*** Move to: " filename LF
change: (change_context | change_line)+ eof_line?
change_context: ("@@" | "@@ " /(.+)/) LF
change_line: ("+" | "-" | " ") /(.*)/ LF
eof_line: "*** End of File" LF

%import common.LF
"""
ADDED = '*** Begin Patch\n*** Add File: a.py\n+print("a\\n")\n+\n*** End Patch'
#: A grammar, texts of it, and texts that are none.
TABLE: dict[str, tuple[str, list[str], list[str]]] = {
    "a patch": (
        PATCH,
        [ADDED, "*** Begin Patch\n*** Update File: ä\n@@ f\n-\t1\n+2\n*** End of File\n*** End Patch\n"],
        ["", "*** Begin Patch\n*** End Patch", ADDED + "\n\n", ADDED.replace("+p", "p")],
    ),
    "arithmetic": (
        'start: sum\nsum: NUMBER (("+" | "-") NUMBER)*\n%import common (NUMBER, WS)\n%ignore WS\n',
        ["1+2", "1 +  2.5 - 3"],
        ["1+", "a", "1+2;"],
    ),
    "quotes and backslashes": (
        r'start: /["\\]+/ "\"" /[^"\n]/ "\\"',
        ['"\\""x\\', '\\"\\\\'],
        ['"x\\', '""""', '"""\n\\'],
    ),
    "sets of all kinds": (
        r"start: /\d+\s\w\S[^a-z\n]\D./ /(?:ab|c){2}/",
        ['12\tx"Z.\\abc', '1 _é\\-"cc'],
        ['12\tx"z.\\abc', "1 _é\\-\nabab", "1  x"],
    ),
    "ranges and counts": (
        'start: A ~ 2..3 B{2}\nA: "a".."c"\nB: "!".."#"',
        ['ab!"', 'ccc"#'],
        ["a!!", "abcc!!", 'ab!"!'],
    ),
    "any text": (r"start: /[\s\S]*/", ["", 'a\n"\\\tb\r'], []),
    "any letter": (
        'start: "select"i " " CNAME // a comment\n%import common.CNAME',
        ["SeLect a_1"],
        ["SELECT 1"],
    ),
    "strings, comments and line breaks": (
        "start: ESCAPED_STRING NEWLINE SH_COMMENT\n%import common (ESCAPED_STRING, NEWLINE, SH_COMMENT)",
        ['"a\\"\t"\n\r\n# "x"', '""\n#'],
        ['"a"# x', '"a\n"\n#', '"\\"\n#'],
    ),
    "dots that see line breaks": ("start: /a.b/s", ["a\nb", 'a"b'], ["ab"]),
    "choices and options": ('start: ["a"] ("b" | "c")+ "d"?', ["b", "abcd"], ["ad", "a"]),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_text_is_of_the_grammar_or_not(name: str) -> None:
    grammar, good, bad = TABLE[name]
    for text in good:
        assert accepts(grammar, json.dumps(text, ensure_ascii=False)), text
    for text in bad:
        assert not accepts(grammar, json.dumps(text, ensure_ascii=False)), text
    # What is no JSON string is never accepted.
    for raw in ('"\n"', '"a"b"', '"\\q"', '"\\"'):
        assert not accepts(grammar, raw), raw


def accepts(grammar: str, written: str) -> bool:
    tokenizer = LLTokenizer("byte")
    whole = f'start: "\\"" text "\\""\ntext: %lark {{\n{within_json(grammar)}\n}}\n'
    matcher = LLMatcher(tokenizer, whole, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    tokens = tokenizer.tokenize_bytes(written.encode())
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


@pytest.mark.parametrize(
    "grammar",
    [
        "start: <|im_end|>",
        "start: <[5]>",
        "start: @other",
        'start: %json {"type": "string"}',
        'start[stop="x"]: /a/',
        'start: "\\n"i',
        "start: /a(?=b)/",
        "start: /\\bx/",
        "start: /[a&&b]/",
        "start: /[\\x00]/",
        "start: /a{30000}/",
        'start: "a"{5000}',
        "start: X\n%import common.NOTHING",
        "%import other.LF",
        'start: "a',
        "start: ~/a/",
        "a{x}: x\nstart: a{B}",
        'start.2: "a"',
        "start: r0\n" + "".join(f"r{number}: r{number + 1}\n" for number in range(3_000)),
        "start: " + "(" * 1_001,
        r"start: /.*\.py/",
        r"start: /(?:a|\n)+b/",
    ],
)
def test_what_can_not_be_written_for_json_is_not_known(grammar: str) -> None:
    with pytest.raises(NotKnown):
        within_json(grammar)

"""Chat templates in the style of well-known families, cut down to what they refuse and how they write calls."""

from dataclasses import dataclass

_ALTERNATE = "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"


@dataclass(frozen=True, slots=True)
class Style:
    """A template, and the special tokens that it needs. The last of them ends an answer."""

    template: str
    specials: tuple[str, ...] = ("<s>", "</s>")


STYLES: dict[str, Style] = {
    # Everything is taken, calls are JSON, arguments may be text.
    "hermes": Style(
        "{% if tools %}<|im_start|>tools\n{{ tools|tojson }}<|im_end|>\n{% endif %}"
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
        '{% for c in m.tool_calls or [] %}<tool_call>\n{"name": "{{ c.function.name }}", "arguments": '
        "{{ c.function.arguments if c.function.arguments is string else c.function.arguments|tojson }}}\n</tool_call>"
        "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        ("<|im_start|>", "<|im_end|>"),
    ),
    # One system message, at the beginning; arguments are read as an object.
    "coder": Style(
        "{% for m in messages %}{% if m.role == 'system' and not loop.first %}"
        "{{ raise_exception('System message must be at the beginning.') }}{% endif %}"
        "<|im_start|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>\n"
        "<function={{ c.function.name }}>{% for k, v in c.function.arguments|items %}<parameter={{ k }}>{{ v }}"
        "</parameter>{% endfor %}</function></tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if tools %}{{ tools|tojson }}{% endif %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        ("<|im_start|>", "<|im_end|>"),
    ),
    # Turns are strict, a system message stands in front, ids have nine letters, nobody speaks after a result.
    "mistral": Style(
        "{{ bos_token }}{% set ns = namespace(user=true) %}{% if messages[0].role == 'system' %}"
        "[SYSTEM]{{ messages[0].content }}[/SYSTEM]{% set messages = messages[1:] %}{% endif %}"
        "{% if tools %}[AVAILABLE_TOOLS]{{ tools|tojson }}[/AVAILABLE_TOOLS]{% endif %}"
        "{% for m in messages %}{% if m.role == 'user' or (m.role == 'assistant' and not m.tool_calls) %}"
        "{% if (m.role == 'user') != ns.user %}"
        + _ALTERNATE
        + "{% endif %}{% set ns.user = not ns.user %}{% endif %}"
        "{% if m.role == 'user' %}[INST]{{ m.content }}[/INST]"
        "{% elif m.tool_calls %}[TOOL_CALLS]{% for c in m.tool_calls %}{% if c.id|length != 9 %}"
        "{{ raise_exception('Tool call IDs should be alphanumeric strings with length 9!') }}{% endif %}"
        "{{ c.function|tojson }}{{ c.id }}{% endfor %}{{ eos_token }}"
        "{% elif m.role == 'assistant' %}{{ m.content }}{{ eos_token }}"
        "{% elif m.role == 'tool' %}[TOOL_RESULTS]{{ m.content }}[/TOOL_RESULTS]"
        "{% else %}{{ raise_exception('Only user and assistant roles are supported, got ' + m.role) }}"
        "{% endif %}{% endfor %}",
    ),
    # Strict turns, no system role, no tools.
    "gemma": Style(
        "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        + _ALTERNATE
        + "{% endif %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content|trim }}"
        "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
        ("<bos>", "<start_of_turn>", "<end_of_turn>"),
    ),
    # One call at once; only the first system message is read.
    "llama": Style(
        "{{ bos_token }}{% if messages[0].role == 'system' %}{% set system = messages[0].content %}"
        "{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}"
        "<|start_header_id|>system<|end_header_id|>\n\n{{ system }}"
        "{% if tools %}{{ tools|tojson }}{% endif %}<|eot_id|>"
        "{% for m in messages %}{% if m.tool_calls %}{% if m.tool_calls|length != 1 %}"
        "{{ raise_exception('This model only supports single tool-calls at once!') }}{% endif %}"
        '<|start_header_id|>assistant<|end_header_id|>\n\n{"name": "{{ m.tool_calls[0].function.name }}", '
        '"parameters": {{ m.tool_calls[0].function.arguments|tojson }}}<|eot_id|>'
        "{% elif m.role == 'tool' %}<|start_header_id|>ipython<|end_header_id|>\n\n{{ m.content }}<|eot_id|>"
        "{% elif m.role in ('user', 'assistant') %}"
        "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}<|eot_id|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    ),
    # Keys and values of calls; earlier reasoning is shown.
    "glm": Style(
        "[gMASK]<sop>{% if tools %}<|system|>\n{{ tools|tojson }}{% endif %}{% for m in messages %}<|{{ m.role }}|>\n"
        "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}"
        "{% for c in m.tool_calls or [] %}<tool_call>{{ c.function.name }}"
        "{% for k, v in c.function.arguments.items() %}"
        "<arg_key>{{ k }}</arg_key><arg_value>{{ v }}</arg_value>{% endfor %}</tool_call>{% endfor %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
        ("[gMASK]", "<sop>", "<think>", "</think>", "<|user|>"),
    ),
    # Arguments must be text: they are put together with other texts.
    "deepseek": Style(
        "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}<User>"
        "{{ m.content }}{% elif m.role == 'tool' %}<out>{{ m.content }}</out>{% else %}<Assistant>{{ m.content }}"
        "{% for c in m.tool_calls or [] %}{{ '<call>' + c.function.name + '\n' + c.function.arguments + '</call>' }}"
        "{% endfor %}{{ eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<Assistant>{% endif %}",
    ),
    # Knows texts and roles, and leaves out calls without a word.
    "plain": Style(
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}",
    ),
}

"""Messages of Anthropic's blocks as chat templates take them: results are messages of the role `tool`, thoughts are
reasoning, documents are text.
"""

from collections.abc import Iterable, Iterator, Sequence

import orjson

from api.anthropic.messages.blocks import (
    Base64Source,
    Block,
    ContentSource,
    DocumentBlock,
    FileSource,
    ImageBlock,
    InputMessage,
    ResultBlock,
    SearchResultBlock,
    TextBlock,
    TextSource,
    ThinkingBlock,
    ToolReferenceBlock,
    ToolResultBlock,
    ToolUseBlock,
    UrlSource,
)
from api.inputs.opaque import opened
from jobs.payloads import Message as PlainMessage

#: A part of a message: a text, or an image by its address.
Part = dict[str, str]

#: Between blocks that are separate texts.
_GAP = "\n\n"
#: What a result without words says.
_FAILED = "The tool failed."


def plain_messages(
    system: str | Sequence[TextBlock] | None, messages: Iterable[InputMessage]
) -> list[PlainMessage]:
    """The conversation. `content` is a string, or with images a list of parts."""
    plain: list[PlainMessage] = []
    if text := system_text(system):
        plain.append({"role": "system", "content": text})
    for number, message in enumerate(messages):
        plain += _plain(message, f"messages[{number}].content")
    return plain


def system_text(system: str | Sequence[TextBlock] | None) -> str:
    if system is None or isinstance(system, str):
        return system or ""
    return _GAP.join(block.text for block in system if block.text)


def _plain(message: InputMessage, place: str) -> Iterator[PlainMessage]:
    """`place`: where its content stands in the request."""
    content = message.content
    if isinstance(content, str):
        yield {"role": message.role, "content": content}
    elif message.role == "assistant":
        yield _answer(content, place)
    else:
        # The results come first: they belong to the calls before them.
        shown: list[Part] = []
        answers = False
        for number, result in enumerate(content):
            if not isinstance(result, ToolResultBlock):
                continue
            answers = True
            parts = _parts(result.content, f"{place}[{number}].content")
            text = _text(part for part in parts if part["type"] == "text")
            shown += [part for part in parts if part["type"] != "text"]
            yield {
                "role": "tool",
                "tool_call_id": result.tool_use_id,
                "content": text or (_FAILED if result.is_error else ""),
            }
        rest = [*shown, *_parts(content, place)]
        if rest or not answers:
            yield {"role": message.role, "content": _content(rest)}


def _answer(content: Sequence[Block], place: str) -> PlainMessage:
    message: PlainMessage = {"role": "assistant", "content": _content(_parts(content, place))}
    thoughts = [_thought(block) for block in content if isinstance(block, ThinkingBlock)]
    if any(thoughts):
        message["reasoning_content"] = _GAP.join(filter(None, thoughts))
    calls = [block for block in content if isinstance(block, ToolUseBlock)]
    if calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": orjson.dumps(call.input).decode()},
            }
            for call in calls
        ]
    return message


def _thought(block: ThinkingBlock) -> str:
    """Thoughts that were not shown came with their signature."""
    return block.thinking or opened(block.signature) or ""


def _content(parts: list[Part]) -> str | list[Part]:
    if any(part["type"] != "text" for part in parts):
        return parts
    return _text(parts)


def _text(parts: Iterable[Part]) -> str:
    return _GAP.join(part["text"] for part in parts)


def _parts(content: str | Sequence[Block] | Sequence[ResultBlock], place: str) -> list[Part]:
    """What a model can read of blocks. What is no text says its place in the request."""
    if isinstance(content, str):
        return [_said(content)] if content else []
    parts: list[Part] = []
    for number, block in enumerate(content):
        at = f"{place}[{number}]"
        match block:
            case TextBlock(text=text) if text:
                parts.append(_said(text))
            case ImageBlock():
                parts.append({"type": "image_url", "place": at, **_image(block)})
            case SearchResultBlock():
                texts = _GAP.join(each.text for each in block.content)
                parts.append(_said(f"{block.title}\n{block.source}\n{texts}"))
            case DocumentBlock():
                parts += _document(block, at)
            case ToolReferenceBlock(tool_name=name):
                parts.append(_said(f"The tool '{name}' can be called now."))
    return parts


def _image(block: ImageBlock) -> Part:
    match block.source:
        case FileSource(file_id=file_id):
            return {"file_id": file_id}
        case UrlSource(url=url):
            return {"url": url}
        case Base64Source(media_type=media_type, data=data):
            return {"url": f"data:{media_type};base64,{data}"}


def _document(block: DocumentBlock, place: str) -> list[Part]:
    heading = "\n".join(filter(None, (block.title, block.context)))
    parts = [_said(heading)] if heading else []
    match block.source:
        case TextSource(data=text):
            parts.append(_said(text))
        case ContentSource(content=content):
            parts += _parts(content, f"{place}.source.content")
        case Base64Source(data=data) | UrlSource(url=data):
            parts.append({"type": "file", "place": place, "data": data})
        case FileSource(file_id=file_id):
            parts.append({"type": "file", "place": place, "file_id": file_id})
    return parts


def _said(text: str) -> Part:
    return {"type": "text", "text": text}

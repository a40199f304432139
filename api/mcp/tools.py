"""The tools: their names, what is said of them, and the functions that do them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from api.mcp.arguments import Arguments, number, switch, text, texts, whole
from api.mcp.audio import MOST_TEXTS, embed, speak, transcribe
from api.mcp.call import ToolCall
from api.mcp.content import Content
from api.mcp.images import MOST_IMAGES, edit_image, generate_image
from api.mcp.state import LONGEST_WAIT, list_models, queue_status

_SOURCE = (
    "in base64, as a data: URL, as an http(s) address, or as a file that a tool made (such as 'img-…/0')"
)
_MODEL = text("The model's id, as list_models has it; by default the server's own.")
_BACKGROUND = switch("Return the job's id at once; queue_status has its result later. For what takes long.")
_SEED = whole("The same seed makes the same result.", -1, 2**32 - 1)
_PICTURE = {
    "size": text("Width and height in pixels, such as '1024x1024'.", pattern="^[0-9]+x[0-9]+$|^auto$"),
    "n": whole("How many pictures.", 1, 10),
    "steps": whole("Denoising steps; by default those of the model.", 1, 100),
    "guidance": number("How closely the prompt is followed, where the model knows that.", 0, 30),
    "negative_prompt": text("What the picture must not show, where the model knows that."),
    "output_format": text("The type of the files.", enum=["png", "jpeg", "webp"]),
    "seed": _SEED,
    "model": _MODEL,
    "background": _BACKGROUND,
}


@dataclass(frozen=True, slots=True)
class Tool:
    """`reads_only`: it makes nothing."""

    name: str
    title: str
    description: str
    arguments: Arguments
    run: Callable[[ToolCall], Awaitable[list[Content]]]
    reads_only: bool = False


_TOOLS = (
    Tool(
        "generate_image",
        "Make a picture",
        "Makes pictures of a text with a local model, and returns them with links to their files. Takes seconds to "
        "minutes.",
        Arguments({"prompt": text("What the picture shows."), **_PICTURE}, ("prompt",)),
        generate_image,
    ),
    Tool(
        "edit_image",
        "Change a picture",
        "Makes a picture of others: changes one by a text, or composes several. Takes seconds to minutes.",
        Arguments(
            {
                "prompt": text("What is to be changed, or what the new picture shows."),
                "image": texts(f"The picture, {_SOURCE}; several where the model takes them.", MOST_IMAGES),
                "mask": text(f"A picture of the same size, whose transparent parts are redrawn: {_SOURCE}."),
                "strength": number("How much is redrawn: 0 nothing, 1 all.", 0, 1),
                **_PICTURE,
            },
            ("prompt", "image"),
        ),
        edit_image,
    ),
    Tool(
        "transcribe",
        "Write down a recording",
        "Returns the text of a recording of speech, or its subtitles.",
        Arguments(
            {
                "audio": text(f"The recording, {_SOURCE}."),
                "language": text(
                    "The language that is spoken, such as 'en'; by default the model finds out."
                ),
                "prompt": text("Words and names that occur, where the model knows that."),
                "response_format": text(
                    "Plain text, or subtitles with times.", enum=["text", "srt", "vtt"], default="text"
                ),
                "translate": switch("Return the text in English, whatever is spoken."),
                "model": _MODEL,
                "background": _BACKGROUND,
            },
            ("audio",),
        ),
        transcribe,
    ),
    Tool(
        "speak",
        "Speak a text",
        "Speaks a text, and returns the recording with a link to its file.",
        Arguments(
            {
                "input": text("The text."),
                "voice": text("The name of a voice; by default the model's own."),
                "instructions": text("How it is to be spoken, where the model knows that."),
                "response_format": text(
                    "The type of the file.", enum=["mp3", "wav", "flac", "opus", "aac"], default="mp3"
                ),
                "speed": number("1 is the usual one.", 0.25, 4),
                "language": text("The language of the text, such as 'en'."),
                "seed": _SEED,
                "model": _MODEL,
                "background": _BACKGROUND,
            },
            ("input",),
        ),
        speak,
    ),
    Tool(
        "embed",
        "Vectors of texts",
        "Returns the vectors of texts by an embedding model, as JSON.",
        Arguments(
            {
                "input": texts("The text, or several.", MOST_TEXTS),
                "dimensions": whole("Shorter vectors, where the model knows that.", 1, 65_536),
                "model": _MODEL,
            },
            ("input",),
        ),
        embed,
    ),
    Tool(
        "list_models",
        "List models",
        "Lists the models of the server: id, type (llm, image, asr, tts, embedding) and state.",
        Arguments(
            {"type": text("Only models of this type.", enum=["llm", "image", "asr", "tts", "embedding"])}
        ),
        list_models,
        reads_only=True,
    ),
    Tool(
        "queue_status",
        "Look at the queue",
        "How many jobs wait and run; with a job_id the state of that job, and its result when it has one.",
        Arguments(
            {
                "job_id": text("The job that a tool returned with 'background'."),
                "wait": number("Seconds to wait for the end of that job.", 0, LONGEST_WAIT),
            }
        ),
        queue_status,
        reads_only=True,
    ),
)

TOOLS = {tool.name: tool for tool in _TOOLS}

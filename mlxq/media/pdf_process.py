"""A process that reads the text of one PDF, from stdin to stdout, and ends when it exceeds its limits.

PDFs come from clients, and may expand without end. The process bounds its memory, its processor time, the pages and
the text. It imports nothing but pypdf. What it can't read is one line on stdout, and exit code 2.
"""

import contextlib
import io
import resource
import sys

from pypdf import PdfReader
from pypdf.errors import PyPdfError

#: Bytes of address space, seconds of processor time, pages, and characters of all pages.
MEMORY_BYTES = 1 << 30
CPU_SECONDS = 20
MOST_PAGES = 2_000
MOST_CHARACTERS = 8 << 20


def text_of(data: bytes) -> str:
    """The text of all pages. Raises ValueError, whose message is for the client."""
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise ValueError("it is encrypted")
    if len(reader.pages) > MOST_PAGES:
        raise ValueError(f"it has more than {MOST_PAGES} pages")
    texts: list[str] = []
    length = 0
    for page in reader.pages:
        texts.append(page.extract_text())
        length += len(texts[-1])
        if length > MOST_CHARACTERS:
            raise ValueError(f"it has more than {MOST_CHARACTERS} characters")
    return "\n\n".join(filter(None, (text.strip() for text in texts)))


def main() -> int:
    with contextlib.suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        text = text_of(sys.stdin.buffer.read())
    except ValueError as error:
        said = str(error) if type(error) is ValueError else "it is no PDF that can be read"
        sys.stdout.write(said)
        return 2
    except (PyPdfError, Exception):  # broken files lead to errors of all kinds
        sys.stdout.write("it is no PDF that can be read")
        return 2
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())

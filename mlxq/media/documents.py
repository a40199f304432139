"""The text of a document that a client sends: a text in Unicode, or a PDF. A process of its own reads PDFs.

This module knows files. It does not know requests.
"""

import codecs
import subprocess
import sys

from config.settings import REPO

#: Seconds of real time that reading a PDF may take, longer than its processor time, as the machine may be busy.
PATIENCE = 60.0
_PDF = b"%PDF-"
#: Bytes at the beginning of a PDF within which its mark stands.
_HEAD = 1024
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig"}


class UnreadableDocument(ValueError):
    """Why a document can't be read, for the client."""


def document_text(data: bytes) -> str:
    """The document's text. Raises UnreadableDocument. It blocks while a PDF is read."""
    if _PDF in data[:_HEAD]:
        return _pdf_text(data)
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UnreadableDocument("it is neither a text in UTF-8 or UTF-16 nor a PDF")
    return text


def _pdf_text(data: bytes) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "mlxq.media.pdf_process"],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=REPO,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise UnreadableDocument("it takes too long to read it") from None
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode == 0:
        if not said:
            raise UnreadableDocument("it has no text: images of pages are not read")
        return said
    raise UnreadableDocument(said if done.returncode == 2 else "it takes too much time or memory to read it")

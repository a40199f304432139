"""Decodes bytes that clients send as text."""

import binascii

_SIGNS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#: The URL-safe alphabet has two other characters.
_PLAIN = bytes.maketrans(b"-_", b"+/")


def from_base64(text: str) -> bytes:
    """The bytes in base64, in either alphabet, with or without its end and line breaks.

    Raises ValueError for other signs, which the decoder would skip.
    """
    data = text.encode("ascii").translate(_PLAIN, b" \t\r\n").rstrip(b"=")
    if data.translate(None, _SIGNS):
        raise ValueError("not base64")
    return binascii.a2b_base64(data + b"==")


def is_data_url(text: str) -> bool:
    return text[:5].lower() == "data:"


def base64_in(text: str) -> str:
    """The content of a data: URL, whose media type is ignored; any other text is returned unchanged.

    Raises ValueError for a data: URL that says nothing of base64.
    """
    if not is_data_url(text):
        return text
    head, comma, data = text.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise ValueError("not base64")
    return data

"""Bytes that clients write as text."""

import binascii

_SIGNS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#: The alphabet for addresses has two other signs.
_PLAIN = bytes.maketrans(b"-_", b"+/")


def from_base64(text: str) -> bytes:
    """The bytes in base64, in either alphabet, with or without its end and line breaks.

    Raises ValueError for other signs, which the decoder would skip.
    """
    data = text.encode("ascii").translate(_PLAIN, b" \t\r\n").rstrip(b"=")
    if data.translate(None, _SIGNS):
        raise ValueError("not base64")
    return binascii.a2b_base64(data + b"==")

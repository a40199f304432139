"""Texts that clients send back as they got them: thoughts and summaries, as `encrypted_content`.

They are not secret, only unreadable at a glance; what another server wrote reads as None. Anybody can write such a
value: so a text never has more than eight times the bytes of its value, and a body stays what its limit makes it.
"""

import base64
import binascii
import zlib

_MARK = "mlxq1."
#: Bytes of a text for each byte that it is packed into, at most. Denser texts are stored as they are.
_DENSEST = 8
#: Levels of zlib: its usual one, and none.
_USUAL, _STORED = 6, 0


def sealed(text: str) -> str:
    data = text.encode("utf-8", "replace")
    packed = zlib.compress(data, _USUAL)
    if len(data) > _DENSEST * len(packed):
        packed = zlib.compress(data, _STORED)
    return _MARK + base64.urlsafe_b64encode(packed).decode()


def opened(value: str | None) -> str | None:
    """The text, if this server wrote the value."""
    if value is None or not value.startswith(_MARK):
        return None
    try:
        packed = base64.urlsafe_b64decode(value.removeprefix(_MARK))
        reader = zlib.decompressobj()
        data = reader.decompress(packed, _DENSEST * len(packed) + 1)
        return data.decode() if reader.eof else None
    except (binascii.Error, zlib.error, UnicodeDecodeError, ValueError):
        return None

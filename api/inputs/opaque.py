"""Texts that clients send back as they got them: thoughts and summaries, as `encrypted_content`.

They are not secret, only unreadable at a glance; what another server wrote reads as None.
"""

import base64
import binascii
import zlib

_MARK = "mlxq1."
#: Bytes that a text may have.
_MOST = 8 << 20


def sealed(text: str) -> str:
    packed = zlib.compress(text.encode("utf-8", "replace"), 6)
    return _MARK + base64.urlsafe_b64encode(packed).decode()


def opened(value: str | None) -> str | None:
    """The text, if this server wrote the value."""
    if value is None or not value.startswith(_MARK):
        return None
    try:
        packed = base64.urlsafe_b64decode(value.removeprefix(_MARK))
        return zlib.decompressobj().decompress(packed, _MOST).decode()
    except (binascii.Error, zlib.error, UnicodeDecodeError, ValueError):
        return None

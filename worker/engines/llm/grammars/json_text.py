"""Tracks JSON byte by byte: whether it is inside a string, and the length of a number."""

_QUOTE, _BACKSLASH = 0x22, 0x5C
_DIGITS = frozenset(b"0123456789")
#: Digits that one part of a number may have. 20 hold every 64-bit integer, 17 tell every double from its neighbours.
_WHOLE, _FRACTION, _EXPONENT = 20, 17, 2


class JsonText:
    """Feed it bytes. It does not validate them: other text, such as markers around a call, is ignored."""

    __slots__ = ("_digits", "_escaped", "_most", "in_string")

    def __init__(self) -> None:
        self.in_string = False
        self._escaped = False
        self._digits = 0
        self._most = _WHOLE

    def copy(self) -> "JsonText":
        other = JsonText()
        other.in_string, other._escaped = self.in_string, self._escaped
        other._digits, other._most = self._digits, self._most
        return other

    @property
    def digits_end(self) -> bool:
        """Whether the current number has enough digits."""
        return self._digits >= self._most

    def feed(self, raw: bytes) -> None:
        for byte in raw:
            if self.in_string:
                if self._escaped:
                    self._escaped = False
                elif byte == _BACKSLASH:
                    self._escaped = True
                elif byte == _QUOTE:
                    self.in_string = False
            elif byte in _DIGITS:
                self._digits += 1
            else:
                self._digits = 0
                if byte != 0x2D or self._most != _EXPONENT:  # the sign of an exponent counts no digit
                    self._most = _FRACTION if byte == 0x2E else _EXPONENT if byte in b"eE+" else _WHOLE
                if byte == _QUOTE:
                    self.in_string = True

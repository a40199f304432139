"""Which of the oldest messages are left out of a chat that is too long for its model.

This module knows messages. It does not know tokens or templates.
"""

from jobs.payloads import Message

#: Into how many pieces a conversation is cut, about.
_PIECES = 8


def cuts(messages: list[Message]) -> list[int]:
    """Numbers of messages before which a conversation may be cut, in order.

    The last message stays, and a result never loses its call. A long conversation is cut in pieces of several
    messages, so that the cut stays where it is for some turns, and what comes behind it is not read again.
    """
    begins = next((place for place, each in enumerate(messages) if each["role"] != "system"), 0)
    found = [
        place
        for place in range(begins + 1, len(messages))
        if messages[place]["role"] not in ("system", "tool")
    ]
    step = 1 << max(0, (len(found) // _PIECES).bit_length() - 1)
    return [place for number, place in enumerate(found, 1) if number % step == 0 or number == len(found)]


def cut_off(messages: list[Message], place: int) -> list[Message]:
    """The conversation without the messages before this one. System messages stay."""
    return [*(each for each in messages[:place] if each["role"] == "system"), *messages[place:]]

"""The text of an answer that a client has received, so that it gets each text once, also when a job runs again.

After a reset the same story comes again and is held back as far as it is known. What was sent cannot be taken
back: a story that goes another way is a broken stream.
"""

from typing import NamedTuple

from jobs.errors import WorkerDied
from jobs.events import CallPart, Delta, TokenLogprob
from jobs.results import Choice


class AnswerPiece(NamedTuple):
    """Something new of a choice: of its content, its reasoning, or a tool call's arguments.

    `call` has the call's `index`, and `id` and `name` in its first piece.
    """

    choice: int
    text: str
    field: str = "content"
    call: CallPart | None = None
    logprobs: list[TokenLogprob] | None = None


class SentText:
    """One text: the content of a choice, its reasoning, or the arguments of one call."""

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._known = ""
        self._was_reset = False

    def reset(self) -> None:
        self._known = "".join(self._sent)
        self._was_reset = bool(self._known)

    def add(self, text: str) -> str:
        """What of `text` is new to the client. Raises WorkerDied when it contradicts what the client has."""
        if self._known:
            shared = min(len(text), len(self._known))
            if text[:shared] != self._known[:shared]:
                raise contradiction()
            text, self._known = text[shared:], self._known[shared:]
        if text:
            self._sent.append(text)
        return text

    def rest(self, whole: str) -> str:
        """What is missing from the whole text. Raises WorkerDied when a reset has led to another one."""
        sent = "".join(self._sent)
        if whole.startswith(sent):
            return whole[len(sent) :]
        if self._was_reset:
            raise contradiction()
        return ""


class SentAnswer:
    """Every sent_text of a job's answer."""

    def __init__(self) -> None:
        #: by (choice, field, number of the call or -1)
        self._sent_texts: dict[tuple[int, str, int], SentText] = {}
        #: what each (choice, call) was opened as
        self._calls: dict[tuple[int, int], tuple[str, str]] = {}
        #: log-probabilities that the client has, and how many of those are still to come again, by choice
        self._entries: dict[int, int] = {}
        self._known_entries: dict[int, int] = {}

    def reset(self) -> None:
        for sent_text in self._sent_texts.values():
            sent_text.reset()
        self._known_entries = dict(self._entries)

    def add(self, delta: Delta) -> AnswerPiece | None:
        """What a delta event brings that is new; None when that is nothing. Raises WorkerDied."""
        index, call = delta.index, delta.call
        text = self._sent_text(index, delta.field, call.index if call else -1).add(delta.text)
        if call is not None:
            call = self._open(index, call)
        entries = None if delta.logprobs is None else self._new_entries(index, delta.logprobs)
        if text or entries or (call and call.id is not None):
            return AnswerPiece(index, text, delta.field, call, entries)
        return None

    def rest(self, choice: Choice) -> list[AnswerPiece]:
        """What of a choice, now that it is whole, has not been told. Raises WorkerDied."""
        index = choice.index
        pieces = []
        if text := self._sent_text(index, "reasoning").rest(choice.reasoning or ""):
            pieces.append(AnswerPiece(index, text, "reasoning"))
        text = self._sent_text(index, "content").rest(choice.text)
        entries = (choice.logprobs or [])[self._entries.get(index, 0) :]
        if text or entries:
            pieces.append(AnswerPiece(index, text, logprobs=entries or None))
        calls = choice.tool_calls or []
        for number, call in enumerate(calls):
            arguments = self._sent_text(index, "tool_call", number).rest(call.arguments)
            opening = self._open(index, CallPart(number, call.id, call.name))
            if arguments or opening.id is not None:
                pieces.append(AnswerPiece(index, arguments, "tool_call", opening))
        if any(choice_index == index and number >= len(calls) for choice_index, number in self._calls):
            raise contradiction()
        return pieces

    def _sent_text(self, index: int, field: str, call: int = -1) -> SentText:
        key = (index, field, call)
        sent_text = self._sent_texts.get(key)
        if sent_text is None:
            sent_text = self._sent_texts[key] = SentText()
        return sent_text

    def _open(self, index: int, call: CallPart) -> CallPart:
        """The call with its id and name when the client does not know them yet, else without."""
        if call.id is None or call.name is None:
            return CallPart(call.index)
        name = (call.id, call.name)
        known = self._calls.setdefault((index, call.index), name)
        if known is name:
            return call
        if known != name:
            raise contradiction()
        return CallPart(call.index)

    def _new_entries(self, index: int, entries: list[TokenLogprob]) -> list[TokenLogprob]:
        known = self._known_entries.get(index, 0)
        new = entries[known:]
        self._known_entries[index] = max(0, known - len(entries))
        self._entries[index] = self._entries.get(index, 0) + len(new)
        return new


def contradiction() -> WorkerDied:
    return WorkerDied("The worker died while it answered, and its new answer differs from what was streamed.")

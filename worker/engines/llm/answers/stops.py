"""Stop strings in streamed text: found across tokens, and never sent, not even in part."""

from collections.abc import Sequence


class StopMatcher:
    """Feed it text; it returns what cannot be part of a stop string any more."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._longest = max(map(len, self._stops), default=0)
        self._held = ""
        #: the stop string that was found
        self.found: str | None = None

    @property
    def stopped(self) -> bool:
        return self.found is not None

    def feed(self, text: str) -> str:
        """Add text; returns the text that can be sent. `stopped` is set once a stop string was found."""
        if not self._stops:
            return text
        self._held += text
        found = [(place, stop) for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if found:
            place, self.found = min(found, key=lambda each: each[0])
            shown, self._held = self._held[:place], ""
            return shown
        keep = self._partial()
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return shown

    def flush(self) -> str:
        """The text that was held back, at the end."""
        shown, self._held = self._held, ""
        return shown

    def _partial(self) -> int:
        """The length of the longest end of the held text that begins a stop string."""
        for length in range(min(self._longest - 1, len(self._held)), 0, -1):
            end = self._held[-length:]
            if any(stop.startswith(end) for stop in self._stops):
                return length
        return 0

"""Whether the model hub answers: one question for all who need it, whose answer holds for a minute."""

import logging
import time
from collections.abc import Callable

from config.settings import Settings
from jobs.errors import HubUnavailable

log = logging.getLogger(__name__)

#: Seconds that an answer holds, and that the hub has for it.
FRESH, PATIENCE = 60.0, 3.0


class HubReach:
    """One per application."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        modelscope = settings.model_source == "modelscope"
        self._address = settings.modelscope_endpoint if modelscope else settings.hf_endpoint
        self._clock = clock
        self._until = float("-inf")
        self._answers = True

    def tell(self, *, answers: bool) -> None:
        """Somebody asked the hub."""
        self._answers, self._until = answers, self._clock() + FRESH

    @property
    def lost(self) -> HubUnavailable | None:
        """The error, while it is known that the hub does not answer."""
        left = self._until - self._clock()
        return None if self._answers or left <= 0 else unreachable(max(1, round(left)))

    async def check(self) -> bool:
        """Whether the hub answers; it is asked when that is not known."""
        if self._clock() < self._until:
            return self._answers
        # Its import takes a tenth of the start of the API, which seldom asks.
        import httpx

        try:
            async with httpx.AsyncClient(timeout=PATIENCE) as client:
                await client.head(self._address)
        except (httpx.HTTPError, OSError, ValueError) as error:
            log.warning("the model hub is out of reach (%s)", type(error).__name__)
            self.tell(answers=False)
        else:
            self.tell(answers=True)
        return self._answers


def unreachable(seconds: int = round(FRESH), model: str = "") -> HubUnavailable:
    """`model` is what was wanted of it."""
    wanted = f"The model '{model}' is not installed, and the" if model else "The"
    return HubUnavailable(
        f"{wanted} model hub is out of reach. Installed models work all the same.", retry_after=seconds
    )

"""One attempt of a delivery: a signed POST, and what came of it. It knows neither Redis nor when to try again."""

import asyncio
import time
from dataclasses import dataclass

import httpx

from api.http.outgoing.errors import FetchError
from api.http.outgoing.requests import Outgoing
from config import VERSION
from config.settings import Settings
from config.settings.webhooks import secret_bytes
from jobs.webhooks.delivery import Attempt
from jobs.webhooks.signature import signed

#: The receiver wants no more of it.
_GONE = httpx.codes.GONE
#: Statuses whose `retry-after` counts.
_BUSY = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`final`: no attempt shall follow. `pause`: seconds that the receiver asks for."""

    attempt: Attempt
    arrived: bool = False
    final: bool = False
    pause: float = 0.0


class Sender:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = [secret_bytes(each.get_secret_value()) for each in settings.webhook_secret]

    async def send(self, delivery_id: str, url: str, body: bytes) -> Outcome:
        """Never raises for what the receiver or the network does."""
        at, began = int(time.time()), time.monotonic()
        status, error, pause = None, None, 0.0
        try:
            status, pause = await self._post(url, signed(delivery_id, at, body, self._keys), body)
        except TimeoutError:
            error = f"no answer within {self._settings.webhook_timeout:g} s"
        except FetchError as problem:
            error = "the connection failed" if problem.__cause__ else str(problem)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
            error = "the connection failed"
        attempt = Attempt(
            at=at, status=status, error=error, milliseconds=int((time.monotonic() - began) * 1000)
        )
        arrived = status is not None and 200 <= status < 300
        return Outcome(attempt, arrived, final=status == _GONE, pause=pause)

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int, float]:
        """The receiver's status, and the seconds after which it wants to be asked again. Its answer is not read."""
        private = self._settings.allow_private_webhooks or url == self._settings.webhook_url
        headers = {**headers, "content-type": "application/json", "user-agent": f"mlxq/{VERSION}"}
        async with (
            Outgoing(private=private) as outgoing,
            asyncio.timeout(self._settings.webhook_timeout),
        ):
            response = await outgoing.send("POST", httpx.URL(url), headers, body)
            try:
                wish = response.headers.get("retry-after", "") if response.status_code in _BUSY else ""
                return response.status_code, float(wish) if wish.isdecimal() else 0.0
            finally:
                await response.aclose()

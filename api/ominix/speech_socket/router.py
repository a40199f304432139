"""`/ws/v1/tts`: speech over a WebSocket, in the words of OminiX' API. Each `task_continue` is a job.

    → {"event": "task_start", "model": …, "voice_setting": {"voice_id": …, "speed": …}}     ← task_started
    → {"event": "task_continue", "text": …, "voice_id": …}        ← task_progress, the last one with is_final
    → {"event": "task_finish"}                                     ← task_finished, and the connection is closed

Audio is sent as hexadecimal PCM: 16 bits, little-endian, 24 kHz, mono.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import orjson
from fastapi import APIRouter
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.dispatch.call import call
from api.dispatch.resource import Resource
from api.http.answers.disconnect import ClientGone
from api.http.answers.errors import to_error
from api.http.answers.warning import noted
from api.http.bodies.body import ignored_warning, parse_object, validate
from api.http.context import context_of, jobs_of
from api.http.job_options.prefer import SYNCHRONOUS
from api.ominix.dialect import OMINIX
from api.openai.speech.job import speech_job
from api.openai.speech.render import SPEECH
from api.openai.speech.schema import SpeechRequest
from api.openai.speech.stream import pieces
from config.values import JsonObject
from jobs.errors import InvalidRequest

log = logging.getLogger(__name__)

router = APIRouter(tags=["audio"])

#: Characters of messages that may wait while a text is spoken, and messages; then the sender has to wait.
_PENDING, _MESSAGES = 1 << 18, 32
#: How a WebSocket ends that its server gives up (RFC 6455, 7.4.1).
_GOING_AWAY = 1001
#: What `task_start` and `task_continue` may say, and the fields of a speech request that it is.
_SETTINGS = ("model", "voice", "speed", "instructions", "instruct", "language", "seed")
#: What `voice_setting` may say, and the fields that it is.
_VOICE = {"voice_id": "voice", "speed": "speed", "language": "language"}
_KNOWN = frozenset({*_SETTINGS, *_VOICE, "event", "text", "voice_setting"})


@router.websocket("/ws/v1/tts")
async def speak(socket: WebSocket) -> None:
    await socket.accept()
    async with _incoming(socket) as inbox:
        with contextlib.suppress(WebSocketDisconnect, ClientGone):
            await _Session(socket, inbox).run()


class _Inbox:
    """What the client has said, and whether it has left. A sender waits while too much of it is unread."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self._messages: asyncio.Queue[str | None] = asyncio.Queue(_MESSAGES)
        self._held = 0
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, text: str | None) -> None:
        """None: the client has left."""
        await self._room.wait()
        self._held += len(text or "")
        if self._held >= _PENDING:
            self._room.clear()
        await self._messages.put(text)

    async def take(self, patience: float) -> str | None:
        """The next message. Raises TimeoutError after so many seconds of silence."""
        text = await asyncio.wait_for(self._messages.get(), patience)
        self._held -= len(text or "")
        if self._held < _PENDING:
            self._room.set()
        return text

    async def receive(self) -> Message:
        """For `while_connected`: it returns when the client leaves."""
        await self.gone.wait()
        return {"type": "http.disconnect"}


@contextlib.asynccontextmanager
async def _incoming(socket: WebSocket) -> AsyncIterator[_Inbox]:
    """Reads on while a text is spoken, so that a client that leaves is noticed."""
    inbox = _Inbox()

    async def read() -> None:
        while (message := await socket.receive())["type"] != "websocket.disconnect":
            await inbox.put(message.get("text") or "")
        inbox.gone.set()
        await inbox.put(None)

    reader = asyncio.create_task(read())
    try:
        yield inbox
    finally:
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reader


class _Session:
    """One connection: what `task_start` has set holds for each text that follows."""

    def __init__(self, socket: WebSocket, inbox: _Inbox) -> None:
        self._socket, self._inbox = socket, inbox
        self._settings: JsonObject = {}

    async def run(self) -> None:
        await self._say("connected_success")
        patience = context_of(self._socket).settings.websocket_idle_timeout
        while True:
            try:
                text = await self._inbox.take(patience)
            except TimeoutError:
                await self._socket.close(_GOING_AWAY, f"Nothing came for {patience:g} seconds.")
                return
            if text is None:
                return
            try:
                message = parse_object(text.encode())
                match message.get("event"):
                    case "task_start":
                        self._settings = _settings(message)
                        await self._say("task_started", **_told(_without_effect(message)))
                    case "task_continue":
                        await self._speak(message)
                    case "task_finish":
                        await self._say("task_finished")
                        await self._socket.close()
                        return
                    case event:
                        raise InvalidRequest(f"Unknown event: {str(event)[:64]!r}.", param="event")
            except (WebSocketDisconnect, ClientGone):
                raise
            except Exception as error:
                told = OMINIX.error_body(to_error(error))
                await self._say("error", message=told["detail"], error=told["error"])

    async def _speak(self, message: JsonObject) -> None:
        said = {
            **self._settings,
            **_settings(message),
            "input": message.get("text"),
            "response_format": "pcm",
        }
        if not isinstance(said["input"], str):
            raise InvalidRequest("Missing required parameter: 'text'.", param="text")
        wanted = validate(SpeechRequest, said)
        # What was noted of earlier texts was told with them.
        self._socket.state.warnings = ()
        job, warnings = await speech_job(self._socket, wanted, SYNCHRONOUS, OMINIX, live=True)
        # The connection's headers are not the job's: each text is a request of its own.
        job = replace(job, idempotency_scope=None, fingerprint=None)
        context, jobs = context_of(self._socket), jobs_of(self._socket)
        async with call(jobs, job, self._inbox.receive) as (accepted, watch):
            async for data in pieces(context, watch):
                await self._say("task_progress", data={"audio": data.hex()}, is_final=False)
        told = _told([*_without_effect(message), *warnings, *noted(self._socket)])
        await self._say("task_progress", data={"audio": ""}, is_final=True, job_id=accepted.job_id, **told)

    async def _say(self, event: str, **data: object) -> None:
        await self._socket.send_text(orjson.dumps({"event": event, **data}).decode())


def _settings(message: JsonObject) -> JsonObject:
    """How to speak, as a message says it. Raises InvalidRequest."""
    settings = {name: message[name] for name in _SETTINGS if message.get(name) is not None}
    voice = message.get("voice_setting")
    voice = {} if voice is None else voice
    if not isinstance(voice, dict):
        raise InvalidRequest("Invalid 'voice_setting': it must be an object.", param="voice_setting")
    for name, ours in _VOICE.items():
        for place in (voice, message):
            if place.get(name) is not None:
                settings[ours] = place[name]
    speed = settings.get("speed")
    return {**settings, "speed": float(speed)} if type(speed) is int else settings


def _without_effect(message: JsonObject) -> list[str]:
    """Warnings. MiniMax' protocol, of which OminiX' is a part, has fields for formats, volume, pitch and more."""
    voice = message.get("voice_setting")
    names = [name for name in message if name not in _KNOWN]
    if isinstance(voice, dict):
        names += [f"voice_setting.{name}" for name in voice if name not in _VOICE]
    return ignored_warning(names)


def _told(warnings: list[str]) -> dict[str, object]:
    return {"warnings": warnings} if warnings else {}


RESOURCE = Resource(OMINIX, routers=(router,), renderers=(replace(SPEECH, dialect=OMINIX),))

"""Whose voice a request means: a name of voices.json, a recording, or one of the model's own."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from api.http.bodies.base64_text import from_base64, is_data_url
from api.http.context import Context
from api.inputs.recordings import opening
from api.openai.speech.schema import SettledVoice, SpeechRequest
from jobs.blobs import Uploads
from jobs.errors import InvalidRequest
from jobs.payloads import VoiceReference
from mlxq.catalog import ModelRef
from mlxq.catalog.families.speech import OPENAI_VOICES, own_voice
from mlxq.catalog.families.table import speech_recordings
from mlxq.catalog.voices import SPEEDS, Voice, Voices
from mlxq.media.formats import RECORDING_SUFFIXES

#: Bytes of the largest recording: half a minute is less in any format.
_LARGEST = 256 << 20
#: Seconds by which the length in headers and packets differs from what is heard: encoders add some.
_INEXACT = 0.2


async def settle_voice(
    context: Context, uploads: Uploads, ref: ModelRef, wanted: SpeechRequest, loaded: str | None = None
) -> SettledVoice:
    """The voice, by name or by a recording, and its speed. Raises InvalidRequest.

    `loaded`: the path of the recording that was loaded as a voice.
    """
    return await opening(lambda: _Speaker(context, ref).settle(uploads, wanted, loaded))


async def loadable_voice(context: Context, ref: ModelRef, path: str) -> str:
    """The path of a recording that may be loaded as the usual voice of a model. Raises InvalidRequest."""

    def check() -> str:
        speaker = _Speaker(context, ref)
        found = speaker.allowed(path)
        speaker.heard(found, "the voice")
        return str(found)

    return await opening(check)


def voices_of(ref: ModelRef) -> tuple[str, ...]:
    """The model's own voices; none are known of one that is not installed."""
    return ref.card.voices if ref.card is not None else ()


@dataclass(frozen=True, slots=True)
class _Speaker:
    """The model that speaks, and the recordings of this machine that it may be given."""

    context: Context
    ref: ModelRef

    def settle(self, uploads: Uploads, wanted: SpeechRequest, loaded: str | None) -> SettledVoice:
        if wanted.reference_audio is not None:
            voice = SettledVoice(reference=self._sent(uploads, wanted.reference_audio))
        else:
            voice = self._named(uploads, wanted.voice or "", loaded)
        reference = voice.reference
        if reference is not None and wanted.transcript is not None:
            # Who names no recording does not know the usual one: what is said in it is known better.
            known = reference.text if reference.usual else None
            reference = structs.replace(reference, text=known or wanted.transcript)
        speed = max(SPEEDS[0], min(wanted.speed * voice.speed, SPEEDS[1]))
        return replace(voice, reference=reference, speed=speed)

    def allowed(self, name: str) -> Path:
        """A path that was sent, if it may be read: a link does not lead out of the folder."""
        folder = self.context.settings.voices_dir
        try:
            path = (folder / Path(name).expanduser()).resolve()
            own = self._own_recording().resolve() if self.context.settings.tts_ref_audio else None
            inside = path.is_relative_to(folder.resolve()) or path == own
        except (OSError, RuntimeError, ValueError):
            inside = False
        if not inside:
            raise InvalidRequest(
                "Invalid 'voice': a recording must lie in the voices folder (VOICES_DIR), or be TTS_REF_AUDIO.",
                param="voice",
                code="invalid_voice",
            )
        return path

    def heard(self, path: Path, what: str) -> bytes:
        """What is in a recording. Raises InvalidRequest for one that can't be used."""
        # FFmpeg takes time and memory: who never sends a recording never loads it.
        from mlxq.media.audio import UnreadableAudio

        try:
            if not path.is_file():
                raise UnreadableAudio("it is not there")
            if path.stat().st_size > _LARGEST:
                raise UnreadableAudio(f"it is larger than {_LARGEST >> 20} MB")
            self._check(path)
            return path.read_bytes()
        except UnreadableAudio as error:
            raise InvalidRequest(
                f"The recording of {what} can't be used: {error}.", param="voice", code="invalid_audio"
            ) from error

    def _named(self, uploads: Uploads, name: str, loaded: str | None) -> SettledVoice:
        voices, own = self.context.voices.read(), voices_of(self.ref)
        if name in ("", "default"):
            return self._usual(uploads, voices, own, loaded)
        if _is_path(name):
            return SettledVoice(reference=self._recorded(uploads, self.allowed(name), "the voice"))
        registered = voices.find(name)
        if registered is not None:
            return self._registered(uploads, registered)
        if own or not self.ref.installed:
            voice = own_voice(name, own) if own else name
            if voice is not None:
                return SettledVoice(name=voice)
        elif name.casefold() in OPENAI_VOICES:
            return self._usual(uploads, voices, own, loaded)
        known = [voice.name for voice in voices.voices] + [*own, *OPENAI_VOICES]
        raise InvalidRequest(
            f"Invalid 'voice': '{name[:64]}' is not known. Known are {', '.join(known)}.",
            param="voice",
            code="invalid_voice",
        )

    def _usual(
        self, uploads: Uploads, voices: Voices, own: tuple[str, ...], loaded: str | None
    ) -> SettledVoice:
        """The voice of who names none, or one of OpenAI's: the model's, one that was loaded, or the settings'."""
        if own:
            return SettledVoice()
        if loaded is not None:
            recorded = self._recorded(uploads, self.allowed(loaded), "the loaded voice")
            return SettledVoice(reference=structs.replace(recorded, usual=True))
        registered = voices.find(voices.default) if voices.default else None
        if registered is not None:
            voice = self._registered(uploads, registered)
            return replace(voice, reference=voice.reference and structs.replace(voice.reference, usual=True))
        if self.context.settings.tts_ref_audio:
            recorded = self._recorded(uploads, self._own_recording(), "TTS_REF_AUDIO")
            return SettledVoice(reference=structs.replace(recorded, usual=True))
        return SettledVoice()

    def _registered(self, uploads: Uploads, voice: Voice) -> SettledVoice:
        audio = self._stored(uploads, voice.recording, f"the voice '{voice.name}'")
        return SettledVoice(reference=VoiceReference(audio=audio, text=voice.text), speed=voice.speed)

    def _recorded(self, uploads: Uploads, path: Path, what: str) -> VoiceReference:
        """A recording by its path, with what is said in it where the settings tell it."""
        words, own = self.context.settings.tts_ref_text, self.context.settings.tts_ref_audio
        known = own and words and path.resolve() == self._own_recording().resolve()
        return VoiceReference(audio=self._stored(uploads, path, what), text=words if known else None)

    def _own_recording(self) -> Path:
        return Path(self.context.settings.tts_ref_audio).expanduser().absolute()

    def _stored(self, uploads: Uploads, path: Path, what: str) -> str:
        """The blob of a recording of this machine, which no other machine could open by its path.

        Raises InvalidRequest for one that can't be used.
        """
        return uploads.put_shared(self.heard(path, what))

    def _sent(self, uploads: Uploads, data: str) -> VoiceReference:
        """A recording that came with the request, in base64 or as a data URL, as a file of the job."""
        from mlxq.media.audio import UnreadableAudio

        body = data.partition(",")[2] if is_data_url(data) else data
        try:
            with uploads.draft() as draft:
                draft.write(from_base64(body))
                self._check(draft.file)
                return VoiceReference(audio=uploads.keep(draft))
        except ValueError as error:  # no base64, or nothing that can be used
            reason = str(error) if isinstance(error, UnreadableAudio) else "it is not in base64"
            raise InvalidRequest(
                f"The recording in 'reference_audio' can't be used: {reason}.",
                param="reference_audio",
                code="invalid_audio",
            ) from error

    def _check(self, path: Path) -> None:
        """Raises UnreadableAudio for a recording that can't be heard, or that the model does not take."""
        from mlxq.media.audio import UnreadableAudio, probe

        sound = probe(path, self.context.settings.max_reference_seconds)
        card = self.ref.card
        if card is not None and (
            fault := speech_recordings(card.family_name).fault(sound.seconds, sound.channels, margin=_INEXACT)
        ):
            raise UnreadableAudio(fault)


def _is_path(name: str) -> bool:
    return "/" in name or os.sep in name or name.startswith("~") or name.lower().endswith(RECORDING_SUFFIXES)

"""The families that mlx-audio's own interface is enough for: one engine speaks with all of them.

A row says which options a family's `generate` takes. A test compares the rows with the library.
"""

from mlxq.catalog.families.family import Candidate
from mlxq.catalog.families.speech import INSTRUCTIONS, LANGUAGE, REFERENCE_TEXT, SpeechFamily, written_type

#: The worker's engine for all of them.
ENGINE = "mlx_audio"

_T, _L, _I = REFERENCE_TEXT, LANGUAGE, INSTRUCTIONS


def _row(
    name: str, *options: str, keys: tuple[str, ...] = (), word: str = "", own_speed: bool = False
) -> SpeechFamily:
    """`keys` and `word` identify a model whose config.json names no type."""
    return SpeechFamily(
        name=name,
        engine=ENGINE,
        options=frozenset(options),
        keys=frozenset(keys),
        word=word,
        by_name=bool(word),
        own_speed=own_speed,
    )


def _named(word: str, library_type: str) -> SpeechFamily:
    """A family whose config.json has the type of a language model: the name identifies it."""
    return SpeechFamily(name=word, engine=ENGINE, library_type=library_type, word=word, by_name=True)


class Tada(SpeechFamily):
    """Its config.json may have the type of its language model."""

    def matches_config(self, candidate: Candidate) -> bool:
        config = candidate.config
        return super().matches_config(candidate) or (
            written_type(config) == "llama" and "acoustic_dim" in config
        )


#: Those that a name identifies come last.
MLX_AUDIO: tuple[SpeechFamily, ...] = (
    _row("arktts", _T),
    _row("audiodit", _T, _L),
    _row("bailingmm", _T, _L, _I),
    _row("bark"),
    _row("breeze", _T, _I),
    _row("breeze-tts", _T, _I),
    _row("breeze_tts", _T, _I),
    _row("chatterbox", _L),
    _row("chatterbox_turbo"),
    _row("confucius4", _L),
    _row("csm", _T),
    _row("dia", _T),
    _row("dramabox"),
    _row("dramabox-tts"),
    _row("echo_tts"),
    _row("fish_drama3", _T, _I),
    _row("fish_qwen3_omni", _T, _I),
    _row("gradium_phonon_tts"),
    _row("higgs_audio", _T),
    _row("higgs_audio_v3", _T),
    _row("higgs_multimodal_qwen3", _T),
    _row("irodori_tts"),
    _row("kitten", own_speed=True),
    _row("kitten_tts", own_speed=True),
    _row("kugelaudio"),
    _row("lingv3_tts", _T, _L, _I),
    _row("longcat", _T, _L),
    _row("longcat_audiodit", _T, _L),
    _row("marvis", _T),
    _row("melotts", _L, own_speed=True),
    _row("moss_tts", _T),
    _row("moss_tts_delay", _T),
    _row("moss_tts_local", _T),
    _row("moss_tts_nano", _T),
    _row("omnivoice", _T, _L, _I),
    _row("pocket_tts", keys=("flow_lm", "mimi")),
    _row("rumik_oss", _I),
    _row("sesame", _T),
    _row("soprano"),
    Tada(name="tada", engine=ENGINE, options=frozenset({_T})),
    _row("vibevoice"),
    _row("vibevoice_streaming"),
    _row("voxcpm", _T),
    _row("voxcpm1.5", _T),
    _row("voxcpm2", _T, _I),
    _row("voxtral_tts"),
    _row("zonos2", _T, _L),
    _row("outetts", word="outetts"),
    _row("spark", word="spark-tts"),
    _named("orpheus", "llama"),
    _named("vyvotts", "qwen3"),
)

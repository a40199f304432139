"""GPT-SoVITS: clients of other servers ask for it, and no library for MLX has it."""

from mlxq.catalog.families.speech import SpeechFamily

GPT_SOVITS = SpeechFamily(
    name="gpt_sovits",
    word="gpt-sovits",
    unserved=(
        "GPT-SoVITS is not supported yet: no library for MLX has it. Qwen3-TTS speaks and clones voices, as "
        "mlx-community/Qwen3-TTS-12Hz-0.6B-Base-bf16; so does IndexTTS."
    ),
)

"""IndexTTS: it always needs a recording of a voice, and makes the audio of a text in one step."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from mlx_audio.tts.models.indextts.normalize import normalize, tokenize_by_CJK_char

from jobs.errors import InvalidRequest
from mlxq.catalog.model_config import config_in
from mlxq.media.spoken_text import has_words
from worker.engines.tts.mlx_audio import SpeechModel

_TOKENIZER = "tokenizer.model"


class IndexTTS(SpeechModel):
    longest = 160
    needs_recording = True

    @classmethod
    def prepared(cls, path: Path) -> AbstractContextManager[Path]:
        """config.json names a repository of a hub for the tokenizer, even if the folder contains it."""
        return _with_own_tokenizer(path) if (path / _TOKENIZER).is_file() else nullcontext(path)

    def check_text(self, text: str) -> None:
        tokenizer = self.model.tokenizer
        words = [word for word in tokenize_by_CJK_char(normalize(text)).split() if has_words(word)]
        if words and all(tokenizer.unk_id() in tokenizer.encode(word) for word in words):
            raise InvalidRequest(
                "The model has no signs for this text: it speaks Chinese and English.",
                param="input",
                code="unsupported_value",
            )

    def speak(self, text: str, arguments: dict[str, object]) -> Iterator[Any]:
        """Bounds the tokens by the model's positions: the library would read behind their table."""
        config = self.model.args.gpt
        # Start and end of the text, and start of the audio.
        prompt = config.condition_num_latent + self.tokens(text) + 3
        positions = config.max_mel_tokens + 2 + config.max_conditioning_inputs
        return super().speak(text, {**arguments, "max_tokens": max(1, positions - prompt)})

    def tokens(self, text: str) -> int:
        return len(self.model.tokenizer.encode(tokenize_by_CJK_char(normalize(text))))


@contextmanager
def _with_own_tokenizer(path: Path) -> Iterator[Path]:
    """A copy of this folder whose config.json names the folder's own tokenizer."""
    with tempfile.TemporaryDirectory(prefix="mlxq-") as scratch:
        folder = Path(scratch)
        for file in path.iterdir():
            (folder / file.name).symlink_to(file.resolve())
        config = config_in(path)
        (folder / "config.json").unlink()
        (folder / "config.json").write_text(json.dumps({**config, "tokenizer_name": str(path.resolve())}))
        yield folder


MODEL = IndexTTS

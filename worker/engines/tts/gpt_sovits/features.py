"""The two networks that GPT-SoVITS takes features from: HuBERT for sound, BERT for Chinese text.

Both are those of libraries; their sizes are those of the files' tensors.
"""

from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
from mlx_audio.stt.models.wav2vec.wav2vec import ModelConfig, Wav2Vec2Model
from mlx_embeddings.models.bert import BertEmbeddings, BertEncoder, ModelArgs
from tokenizers import Tokenizer

from worker.engines.tts.gpt_sovits.weights import Weights, count, fill

#: Samples a second that HuBERT takes.
HUBERT_RATE = 16_000
#: Channels of one head of attention, in both.
_HEAD = 64
#: The layers of BERT whose output is not used: features are those of the third from the end.
_UNUSED = 2
_BEGIN, _END, _UNKNOWN = "[CLS]", "[SEP]", "[UNK]"


class Hubert:
    """HuBERT, whose network is that of wav2vec 2.0."""

    def __init__(self, weights: Weights) -> None:
        """Raises ValueError."""
        weights = {name.removeprefix("hubert."): value for name, value in weights.items()}
        convolutions = "feature_extractor.conv_layers."
        positions = "encoder.pos_conv_embed.conv."
        try:
            direction = next(
                weights[positions + name]
                for name in ("weight_v", "parametrizations.weight.original1")
                if positions + name in weights
            )
            kernels = [
                weights[f"{convolutions}{number}.conv.weight"].shape
                for number in range(count(weights, convolutions))
            ]
            width = weights["feature_projection.projection.weight"].shape[0]
            config = ModelConfig(
                hidden_size=width,
                num_hidden_layers=count(weights, "encoder.layers."),
                num_attention_heads=max(1, width // _HEAD),
                intermediate_size=weights["encoder.layers.0.feed_forward.intermediate_dense.weight"].shape[0],
                conv_dim=tuple(shape[0] for shape in kernels),
                conv_kernel=tuple(shape[2] for shape in kernels),
                num_feat_extract_layers=len(kernels),
                num_conv_pos_embeddings=direction.shape[2],
                num_conv_pos_embedding_groups=direction.shape[0] // direction.shape[1],
            )
        except (KeyError, StopIteration) as error:
            raise ValueError(f"{error} is missing in the weights of its HuBERT") from None
        self.model = Wav2Vec2Model(config)
        named = self.model.sanitize(weights)
        self.model.load_weights([(name, value) for name, value in named.items()])
        self.model.eval()
        self.width = width

    def __call__(self, samples: mx.array) -> mx.array:
        """Samples [n] at 16 kHz → features [frames, width], 50 a second."""
        return self.model(samples[None], output_hidden_states=False).last_hidden_state[0]


class _Layers(nn.Module):
    """BERT's layers up to the one that features are taken from."""

    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.embeddings = BertEmbeddings(args)
        self.encoder = BertEncoder(args)


class Bert:
    """BERT's features of Chinese characters."""

    def __init__(self, weights: Weights, vocabulary: Path) -> None:
        """`vocabulary`: a tokenizer.json, or a vocab.txt with a token in each line. Raises ValueError, OSError."""
        weights = {
            name.removeprefix("bert.").replace(".gamma", ".weight").replace(".beta", ".bias"): value
            for name, value in weights.items()
        }
        try:
            words, width = weights["embeddings.word_embeddings.weight"].shape
            args = ModelArgs(
                model_type="bert",
                num_hidden_layers=max(0, count(weights, "encoder.layer.") - _UNUSED),
                num_attention_heads=max(1, width // _HEAD),
                hidden_size=width,
                intermediate_size=weights["encoder.layer.0.intermediate.dense.weight"].shape[0],
                max_position_embeddings=weights["embeddings.position_embeddings.weight"].shape[0],
                type_vocab_size=weights["embeddings.token_type_embeddings.weight"].shape[0],
                vocab_size=words,
            )
        except KeyError as error:
            raise ValueError(f"{error} is missing in the weights of its BERT") from None
        self.model = _Layers(args)
        fill(self.model, weights)
        self.width = width
        self._ids = _ids(vocabulary)
        self._longest = args.max_position_embeddings - 2

    def __call__(self, text: str, repeats: list[int]) -> mx.array:
        """Features [sum of repeats, width]: those of each character, once for each of its phonemes."""
        unknown = self._ids[_UNKNOWN]
        ids = [self._ids.get(character, unknown) for character in text[: self._longest]]
        hidden = self.model.embeddings(mx.array([[self._ids[_BEGIN], *ids, self._ids[_END]]]))
        features = self.model.encoder(hidden)[0, 1:-1]
        places = [place for place, times in enumerate(repeats) for _ in range(times)]
        return features[mx.array([min(place, len(ids) - 1) for place in places])]


def _ids(vocabulary: Path) -> dict[str, int]:
    """Tokens' numbers. Raises ValueError where a needed one is missing."""
    if vocabulary.suffix == ".json":
        ids = dict(Tokenizer.from_file(str(vocabulary)).get_vocab())
    else:
        ids = {token: number for number, token in enumerate(vocabulary.read_text("utf-8").splitlines())}
    for token in (_BEGIN, _END, _UNKNOWN):
        if token not in ids:
            raise ValueError(f"'{token}' is missing in its tokenizer")
    return ids

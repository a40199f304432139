"""What the engine of vectors and the engine of ranks have in common: texts in tokens, requests, and their models.

A request is some texts, of each of which the model makes a row of numbers: a vector, or one number.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import mlx.core as mx
import numpy as np
import numpy.typing as npt

from jobs.payloads import Payload
from jobs.results import Result

Row: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Text:
    """A text, or a pair of two, as token ids. `second`: where the second of a pair begins."""

    ids: list[int]
    second: int

    def __len__(self) -> int:
        return len(self.ids)


class Request(ABC):
    """What one request asks of its texts."""

    #: what the client calls its texts
    param: str

    @abstractmethod
    def __len__(self) -> int:
        """The number of texts."""

    @abstractmethod
    def size(self, index: int) -> int:
        """Of a text, in characters or tokens."""

    @abstractmethod
    def read(self, start: int, end: int) -> list[Text]:
        """The tokens of these texts. Raises InvalidRequest."""

    @abstractmethod
    def keep(self, index: int, row: Row) -> None:
        """What the model has made of a text."""

    @abstractmethod
    def result(self, tokens: int) -> Result:
        """The answer, when all texts are computed. `tokens`: of all of them."""


class TextModel(ABC):
    """A model that makes a row of numbers of each text."""

    #: the module whose memory it takes
    module: object
    #: tokens of a text, None when nothing bounds it
    context_length: int | None

    @abstractmethod
    def request(self, payload: Payload) -> Request:
        """Raises InvalidRequest for what is not for models of this kind."""

    @abstractmethod
    def forward(self, texts: Sequence[Text]) -> mx.array:
        """The rows [texts, width] of texts of one pass, in float32."""


def padded(texts: Sequence[Text], padding: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Ids and mask [texts, longest], padded on the right."""
    longest = max(map(len, texts))
    ids = np.full((len(texts), longest), padding, np.int32)
    mask = np.zeros((len(texts), longest), np.int32)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text.ids
        mask[row, : len(text)] = 1
    return ids, mask

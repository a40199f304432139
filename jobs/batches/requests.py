"""The requests in a batch's input: JSON Lines, each with `custom_id`, `method`, `url` and `body`.

It knows lines, not what their bodies mean. Files may be large: they are read in pieces, off the event loop.
"""

from collections.abc import Iterator
from hashlib import blake2b

import msgspec

from jobs.batches.record import BatchProblem
from jobs.blobs import BlobStore

#: Longest `custom_id`.
LONGEST_ID = 512
#: Problems that are told of a batch.
MOST_PROBLEMS = 100
_BOM = b"\xef\xbb\xbf"
_FIELDS = ("custom_id", "method", "url", "body")


class BatchRequest(msgspec.Struct, frozen=True):
    """A line of the input. `number` counts from 1."""

    number: int
    offset: int
    data: bytes


class _Line(msgspec.Struct, frozen=True):
    custom_id: str
    method: str
    url: str
    body: dict[str, msgspec.Raw]


class _Sent(msgspec.Struct, frozen=True):
    custom_id: str
    body: msgspec.Raw


_LINE, _SENT = msgspec.json.Decoder(_Line), msgspec.json.Decoder(_Sent)


def sent(data: bytes) -> tuple[str, bytes]:
    """The `custom_id` and the body of a line that was checked."""
    line = _SENT.decode(data)
    return line.custom_id, bytes(line.body)


class Reader:
    """Reads lines of at most `longest` bytes. Raises BlobGone."""

    def __init__(self, blobs: BlobStore, blob: str, longest: int) -> None:
        self._blobs, self._blob, self._longest = blobs, blob, longest

    def read(self, offset: int, number: int, most: int, most_bytes: int) -> tuple[list[BatchRequest], int]:
        """Up to `most` requests from `offset` on, after `number` lines; none at the end. And where they end.

        Lines that are too long are cut. Empty ones are left out.
        """
        found: list[BatchRequest] = []
        size = 0
        with self._blobs.open(self._blob) as file:
            file.seek(offset)
            while len(found) < most and size < most_bytes:
                start = file.tell()
                line = file.readline(self._longest + 1)
                if not line:
                    break
                rest = line
                while not rest.endswith(b"\n") and (rest := file.readline(self._longest)):
                    pass
                number += 1
                if start == 0:
                    line = line.removeprefix(_BOM)
                if line.strip():
                    found.append(BatchRequest(number, start, line))
                    size += len(line)
            return found, file.tell()

    def at(self, offset: int) -> bytes:
        """The line that begins there."""
        return self.read(offset, 0, 1, 1)[0][0].data


class Problems:
    """Checks the requests of one input, in order."""

    def __init__(self, endpoint: str, longest: int, most: int) -> None:
        self.found: list[BatchProblem] = []
        self.total = 0
        self._endpoint, self._longest, self._most = endpoint, longest, most
        self._ids: set[bytes] = set()

    def check(self, requests: list[BatchRequest]) -> None:
        for request in requests:
            self.total += 1
            if len(self.found) < MOST_PROBLEMS:
                self.found += self._of(request)

    def end(self) -> None:
        if not self.total:
            message = "The input file has no requests."
            self.found.append(BatchProblem("empty_file", message, param="input_file_id"))
        if self.total > self._most:
            message = f"The input file has {self.total} requests; {self._most} are the most."
            self.found.insert(0, BatchProblem("too_many_requests", message, param="input_file_id"))

    @property
    def too_many(self) -> bool:
        return self.total > self._most

    def _of(self, request: BatchRequest) -> Iterator[BatchProblem]:
        number = request.number
        if len(request.data) > self._longest:
            message = f"The line is larger than {self._longest / 1024 / 1024:g} MB."
            yield BatchProblem("request_too_large", message, number)
            return
        try:
            line = _LINE.decode(request.data)
        except msgspec.ValidationError as error:
            yield _shapeless(request.data, error, number)
            return
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield BatchProblem(
                "invalid_json_line", "This line is not parseable as valid JSON.", number, param=None
            )
            return
        if not 1 <= len(line.custom_id) <= LONGEST_ID:
            message = f"A custom_id has 1 to {LONGEST_ID} characters."
            yield BatchProblem("invalid_custom_id", message, number, "custom_id")
        digest = blake2b(line.custom_id.encode("utf-8", "replace"), digest_size=12).digest()
        if digest in self._ids:
            message = f"The custom_id '{line.custom_id[:100]}' is that of an earlier line."
            yield BatchProblem("duplicate_custom_id", message, number, "custom_id")
        self._ids.add(digest)
        if line.method != "POST":
            yield BatchProblem("invalid_method", "The method must be POST.", number, "method")
        if line.url != self._endpoint:
            message = f"The url must be the endpoint of the batch, '{self._endpoint}'."
            yield BatchProblem("invalid_url", message, number, "url")


def _shapeless(data: bytes, error: msgspec.ValidationError, number: int) -> BatchProblem:
    """Of a line that is JSON: what is missing, or of the wrong type."""
    try:
        fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return BatchProblem("invalid_json_line", "The line must be a JSON object.", number)
    for name in _FIELDS:
        if name not in fields:
            message = f"Missing required parameter: '{name}'."
            return BatchProblem("missing_required_parameter", message, number, name)
    wrong = next((each for each in _FIELDS if f"$.{each}" in str(error)), None)
    return BatchProblem("invalid_type", f"Invalid '{wrong}': {error}.", number, wrong)

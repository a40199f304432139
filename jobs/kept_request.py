"""The request of a job, for as long as it is kept: until the job ends, small ones as long as its result.

It knows Redis and the form of a job's data. Files that came with a request are deleted at its end.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from jobs import keys
from jobs.errors import MlxqError, NotFound
from jobs.kinds import Kind
from jobs.payloads import Payload
from jobs.reader import JobReader
from jobs.redis.errors import told
from jobs.request import NOBODY, Claim
from jobs.webhooks import Webhook

#: Members of payloads that name files.
_FILES = frozenset({"audio", "blob", "images", "mask", "reference"})


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """What was asked. `share`: the app by which the job had its turn; `work`, `most_tokens` and `webhook` as in
    JobRequest."""

    kind: Kind
    model: str
    payload: Payload
    share: str
    work: float
    most_tokens: int
    webhook: Webhook | None = None

    @property
    def has_files(self) -> bool:
        return _names_files(msgspec.to_builtins(self.payload))

    def shown(self) -> Mapping[str, object]:
        """The payload without the ids of its files."""
        return cast(dict[str, object], _without_files(msgspec.to_builtins(self.payload)))


async def kept_request(reader: JobReader, job_id: str) -> KeptRequest:
    """Raises NotFound where it is not kept any more."""
    with told():
        found: Any = await reader.redis.hmget(
            keys.job(job_id), "data", "mlxq_share", "mlxq_work", "mlxq_webhook"
        )
    data, share, work, webhook = found
    try:
        claim = Claim.decode(job_id, "", 1, (data or "").encode())
    except (MlxqError, ValueError, zlib.error):
        raise NotFound("The request of this job is not kept any more (KEEP_REQUEST_KB).") from None
    amount, _, most = (work or "0").partition(" ")
    return KeptRequest(
        claim.kind,
        claim.model,
        claim.payload,
        share or NOBODY,
        float(amount),
        int(most or 0),
        Webhook.decode(webhook) if webhook else None,
    )


def _names_files(value: object) -> bool:
    if isinstance(value, Mapping):
        return any((name in _FILES and each) or _names_files(each) for name, each in value.items())
    return isinstance(value, list) and any(map(_names_files, value))


def _without_files(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _without_files(each) for name, each in value.items() if name not in _FILES}
    return [_without_files(each) for each in value] if isinstance(value, list) else value

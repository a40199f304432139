"""What a worker process publishes of itself at each beat: its slots, its memory, its device.

It knows the shape, which the worker writes and the API reads; it does not know how a slot is filled.
"""

from typing import Annotated, Literal

import msgspec

#: What a machine may tell of itself: shares, numbers of jobs, and Unix seconds.
Share = Annotated[float, msgspec.Meta(ge=0, le=2)]
Places = Annotated[int, msgspec.Meta(ge=0, le=1 << 16)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e11)]

#: What a slot is about.
SlotPhase = Literal["empty", "loading", "loaded", "error"]


class SlotState(msgspec.Struct, frozen=True):
    """A slot. In `error` the model could not be loaded. `memory_bytes` are those of its model.

    `asked_at` is when it was last asked to be loaded, in Unix seconds, also when it was there. `keep`: the model
    leaves when it was unused for so many seconds; None: it stays.
    """

    model: str | None = None
    state: SlotPhase = "empty"
    error: str | None = None
    context_length: int | None = None
    memory_bytes: int | None = None
    #: ISO, UTC
    loaded_at: str | None = None
    asked_at: Seconds = 0.0
    keep: float | None = None

    @property
    def present(self) -> str | None:
        """The model that is in memory, or on its way there."""
        return self.model if self.state in ("loaded", "loading") else None


class Device(msgspec.Struct, frozen=True):
    """`mlx`: MLX can be used. `gpu`: on Metal; then `memory_bytes` is what it should take at most, else 0."""

    mlx: bool
    gpu: bool = False
    name: str | None = None
    memory_bytes: int = 0


class MlxMemory(msgspec.Struct, frozen=True):
    """MLX' own account of its memory, in bytes."""

    active: int = 0
    peak: int = 0
    cache: int = 0


#: What the background waits for.
RestReason = Literal["hours", "power", "idle", "screen", "heat"]


class Rest(msgspec.Struct, frozen=True):
    """Why a worker starts no jobs of the background now.

    `message` is a sentence without its full stop. Times are Unix seconds; `until` is the earliest at which it may
    start them again, None where only people know.
    """

    reasons: tuple[RestReason, ...]
    message: str
    since: Seconds
    until: Seconds | None = None


class Periods(msgspec.Struct, frozen=True):
    """Usual seconds in which there are jobs, and of the pause after them; 0 while none was seen."""

    busy: Seconds = 0.0
    idle: Seconds = 0.0


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """One process. `engines` are the categories that it serves; times are ISO, UTC.

    `slots` has at least one slot of each category, that of the model used last first.

    `trouble` is what its settings ask for and is not so, in sentences. `inventory` is the revision of the inventory
    that it publishes; empty while it publishes none. `rest`: it starts no jobs of the background now.

    `chip` is its processor, `machine_bytes` all memory of its machine, `budget` what models may take of it together
    and `free` what they may still take.
    """

    name: str
    host: str = ""
    version: str = ""
    chip: str = ""
    machine_bytes: int = 0
    budget: int = 0
    free: int = 0
    pid: int = 0
    started_at: str = ""
    seen_at: str = ""
    engines: tuple[str, ...] = ()
    slots: dict[str, tuple[SlotState, ...]] = {}
    #: jobs of each category that run at the same time
    capacity: dict[str, Places] = {}
    #: how long each category has jobs at a time, and then has none
    periods: dict[str, Periods] = {}
    #: the share of the device that chats have beside other work; None: all lanes have the same
    chat_share: Share | None = None
    memory: MlxMemory = MlxMemory()
    device: Device | None = None
    trouble: tuple[str, ...] = ()
    inventory: str = ""
    rest: Rest | None = None

    def encode(self) -> bytes:
        return msgspec.json.encode(self)


_decoder = msgspec.json.Decoder(WorkerState)


def decode_state(data: bytes | str) -> WorkerState | None:
    """None for what no worker of this version wrote."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None

"""Pictures are decoded by threads of their own, so many pixels at a time."""

import threading

import anyio
import pytest

from api.inputs import image_decoding as decoding
from mlxq.media.images import pixels
from tests.support.images import encoded, picture

pytestmark = pytest.mark.anyio


async def test_so_many_pixels_are_decoded_at_a_time_as_one_picture_may_have() -> None:
    data = encoded(picture(1), "PNG")
    size = pixels(data, 1e9)
    going, most, lock = 0, 0, threading.Lock()
    names: set[str] = set()
    together = threading.Barrier(2)

    def make(_: bytes, __: float) -> None:
        nonlocal going, most
        with lock:
            going += 1
            most = max(most, going)
            names.add(threading.current_thread().name)
        together.wait(60)
        with lock:
            going -= 1

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(decoding.decoding, make, data, 2.5 * size)
    assert most == 2
    assert all(name.startswith("images") for name in names)


async def test_one_alone_has_room_and_errors_leave_none_taken() -> None:
    data = encoded(picture(1), "PNG")
    size = pixels(data, 1e9)

    def fail(_: bytes, __: float) -> None:
        raise ValueError("broken")

    for _ in range(8):
        with pytest.raises(ValueError, match="broken"):
            await decoding.decoding(fail, data, size)
    assert await decoding.decoding(lambda *_: 1, data, size) == 1

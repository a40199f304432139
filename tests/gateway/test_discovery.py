"""A worker finds the gateway by Bonjour, and by its certificate where there are several."""

import asyncio

import pytest

from mlxq.gateway.discovery import NoDiscovery, announced, find

#: Nobody else is asked, and nobody else is told.
HERE = "127.0.0.1"
FIRST, SECOND = "a" * 64, "b" * 64

pytestmark = pytest.mark.anyio


async def test_the_right_one_of_two_is_found() -> None:
    async with announced(HERE, 18_081, FIRST), announced(HERE, 18_083, SECOND):
        for fingerprint, port in ((SECOND, 18_083), (FIRST, 18_081)):
            found = await asyncio.to_thread(find, fingerprint, [HERE], 30)
            assert found == f"https://{HERE}:{port}"


async def test_what_has_gone_is_not_found() -> None:
    async with announced(HERE, 18_085, FIRST):
        pass
    with pytest.raises(NoDiscovery, match="give its address"):
        await asyncio.to_thread(find, FIRST, [HERE], 0.5)

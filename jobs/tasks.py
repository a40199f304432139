"""The end of tasks that run beside the requests."""

import asyncio

#: Seconds after which a task that has swallowed its cancellation is cancelled again.
_AGAIN = 0.1


async def end(*tasks: "asyncio.Task[None]") -> None:
    """Cancel tasks and wait for their end. redis-py loses a cancellation that comes while it connects."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=_AGAIN)
        for task in done:
            if not task.cancelled():
                task.exception()

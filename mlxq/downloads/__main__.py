"""`python -m mlxq.downloads [--on-demand]`: fetches models, until it is told to stop.

With `--on-demand` it also ends by itself when there was nothing to fetch for `DOWNLOADS_QUIET`: whoever started it
does so again.
"""

import asyncio
import os
import signal
import sys

from config.logs import configure_logging
from config.settings import load_settings
from jobs.commands import RESTART
from jobs.live_settings import at_start
from jobs.shared_log import SharedLog
from mlxq.downloads.host import DownloadHost
from mlxq.launch.code_wall import close_to_models
from mlxq.launch.process import start_again, stop_with_parent

#: Models are fetched in the background.
_NICENESS = 10


async def serve(host: DownloadHost) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    await host.run(stop)


def main() -> int:
    settings = at_start(load_settings())
    configure_logging(settings.log_level, "downloads")
    SharedLog(settings, "downloads").start()
    close_to_models(settings)
    stop_with_parent()
    os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    host = DownloadHost(settings, quiet=settings.downloads_quiet if "--on-demand" in sys.argv else None)
    asyncio.run(serve(host))
    if host.asked == RESTART:
        start_again()
    return 0


if __name__ == "__main__":
    sys.exit(main())

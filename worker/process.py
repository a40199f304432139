"""The worker's process: all lanes, until it is told to stop."""

import logging
import os
import signal
import threading

from config.logs import configure_logging
from config.settings import load_settings
from jobs import tracing
from jobs.commands import RESTART
from jobs.consumer.consumer import REFUSED
from jobs.live_settings import at_start
from jobs.session import Session
from jobs.shared_log import SharedLog
from mlxq.catalog.check import missing
from mlxq.gateway.joining import CannotJoin, join
from mlxq.launch.code_wall import close_to_models
from mlxq.launch.open_files import allow_many_files
from mlxq.launch.process import WRONG_SETTING, say, start_again, stop_with_parent
from worker import heap
from worker.guard.view import remove_left_behind
from worker.host import WorkerHost

log = logging.getLogger("worker")

#: Exit code when an engine hung: whoever supervises this process starts it again.
HUNG = 70
#: Seconds between two sessions of a joined worker.
_PAUSE = 1.0


def main() -> int:
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    stop_with_parent()
    heap.share()
    settings = load_settings()
    configure_logging(settings.log_level, "worker")
    if settings.join_url:
        try:
            joined = join(settings, stop)
        except CannotJoin as error:
            say(f"this worker can't join: {error}")
            return WRONG_SETTING
        if joined is None:
            return 0
        settings = joined
    settings = at_start(settings)
    configure_logging(settings.log_level, "worker")
    session = Session.of(settings)
    SharedLog(settings, "worker" if session is None else f"worker {session.host}").start()
    close_to_models(settings)
    remove_left_behind(settings.view_folder)
    allow_many_files()
    wrong = missing(settings)
    if final := next((each for each in wrong if each.final), None):
        say(str(final))
        return WRONG_SETTING
    host = WorkerHost(settings, missing=wrong)
    tracing.start(settings, "worker")
    if not host.start(stop):
        _join_again(host, stop)
        return 0
    while not stop.wait(0.2) and host.asked is None:
        if host.hung.is_set():
            log.critical("an engine hangs in native code: this process ends")
            host.abandon()
            os._exit(HUNG)
    drained = host.drain()
    tracing.stop()
    if host.asked == RESTART and not stop.is_set():
        start_again()
    _join_again(host, stop)
    if not drained:
        # At a normal exit the interpreter would abort because of a thread that is inside MLX.
        os._exit(0)
    return 0


def _join_again(host: WorkerHost, stop: threading.Event) -> None:
    """Where the server ended the session: its answer says whether another one is possible, or why not."""
    if host.asked == REFUSED and not stop.wait(_PAUSE):
        say("the server has ended the session of this worker, which joins anew")
        start_again()

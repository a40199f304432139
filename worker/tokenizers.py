"""Answers questions for tokens on a thread of its own, beside the lanes: with tokenizers, without models.

This module knows models' tokenizers and questions. It does not know jobs, lanes or the device.
"""

import logging
import threading
from collections import OrderedDict

import redis
from redis.exceptions import RedisError

from config.settings import Settings
from jobs import keys
from jobs.errors import InvalidRequest, MlxqError, ModelNotFound
from jobs.kinds import Category
from jobs.questions import Answer, Question, reply, take_question
from jobs.redis.connection import connection
from jobs.session import Session
from mlxq.catalog import Catalog, UnknownModel
from worker.engines import Reader, load_reader
from worker.engines.failures import failure_of

log = logging.getLogger(__name__)

#: Tokenizers that stay in memory.
_KEPT = 2
#: Seconds between two looks for questions whose command was lost.
_LOOK = 2.0


class Tokenizers:
    """Call `start`, `wake` at each command, and `close` at the end."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings, self._catalog = settings, catalog
        self._redis: redis.Redis = connection(settings.redis_address)
        session = Session.of(settings)
        self._place = keys.QUESTIONS if session is None else keys.questions(session.worker)
        self._readers: OrderedDict[str, Reader] = OrderedDict()
        self._awake, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="tokenizers", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There are questions."""
        self._awake.set()

    def close(self, timeout: float) -> None:
        """A tokenizer that is being loaded is not waited for."""
        self._stopped.set()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._awake.wait(_LOOK)
            self._awake.clear()
            try:
                while not self._stopped.is_set():
                    question = take_question(self._redis, self._place)
                    if question is None:
                        break
                    reply(self._redis, question, self._said(question))
            except (RedisError, OSError) as error:
                log.debug("no questions are taken: %s", type(error).__name__)
        for reader in self._readers.values():
            reader.close()
        self._redis.close()

    def _said(self, question: Question) -> Answer | MlxqError:
        try:
            return self._reader(question.model).answer(question.asked)
        except MlxqError as error:
            return error
        except Exception as error:  # tokenizers and templates raise whatever their authors chose
            return failure_of(error, "a tokenizer could not answer")

    def _reader(self, model: str) -> Reader:
        reader = self._readers.get(model)
        if reader is None:
            try:
                ref = self._catalog.resolve(model, Category.LLM)
            except UnknownModel as error:
                raise ModelNotFound(str(error), param="model") from error
            if ref.fault is not None:
                raise InvalidRequest(f"The model '{ref.id}' can't be used. {ref.fault.reason}", param="model")
            reader = self._readers[model] = load_reader(ref, self._settings)
            while len(self._readers) > _KEPT:
                _, oldest = self._readers.popitem(last=False)
                oldest.close()
        self._readers.move_to_end(model)
        return reader

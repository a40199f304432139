"""A slow network takes what an engine has made: meanwhile others have their turns on the device."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.blobs import LocalBlobs
from jobs.blobs.sending import Sending, sent_by
from jobs.errors import ServiceUnavailable
from tests.engines.test_image import Studio
from tests.support.chirp_engine import Chirp, Network
from tests.support.image_checkpoints import random_z_image
from tests.support.payloads import typed
from worker.engines.base import Alive, Done, Failed, Output
from worker.engines.tts.speech import SpeechEngine

#: What a transfer waits for.
Line = Callable[[], object]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    root = tmp_path_factory.mktemp("models")
    random_z_image(root / "zimage")
    return Studio(root, tmp_path_factory.mktemp("data"), "zimage")


@pytest.fixture
def send_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[Line], threading.Event]:
    """Files go over this line from now on. Returns what is set when the first one does."""

    def send_by(line: Line) -> threading.Event:
        begun = threading.Event()

        def send(self: LocalBlobs, data: bytes) -> Sending:
            begun.set()
            return sent_by(line, self.put(data))

        monkeypatch.setattr(LocalBlobs, "send", send)
        return begun

    return send_by


def step_until_end(studio: Studio) -> Output:
    outputs: list[Output] = []
    while not (outputs and isinstance(outputs[-1], Done | Failed)):
        outputs += studio.engine.step()
    return outputs[-1]


def test_steps_go_on_while_a_file_is_on_its_way(
    studio: Studio, send_by: Callable[[Line], threading.Event]
) -> None:
    arrived = threading.Event()
    begun = send_by(lambda: arrived.wait(60))
    try:
        studio.begin()
        while not begun.is_set():
            studio.engine.step()
        assert [studio.engine.step() for _ in range(5)] == [[]] * 5
    finally:
        arrived.set()
    last = step_until_end(studio)
    assert isinstance(last, Done)
    (file,) = last.result.files().values()
    assert studio.blobs.read(file.blob).startswith(b"\x89PNG")


def test_a_file_that_does_not_arrive_fails_its_job(
    studio: Studio, send_by: Callable[[Line], threading.Event]
) -> None:
    def break_off() -> None:
        raise ServiceUnavailable("The machine that keeps files is out of reach.")

    send_by(break_off)
    studio.begin()
    last = step_until_end(studio)
    assert isinstance(last, Failed)
    assert last.error.status == 503


def test_speech_that_is_on_its_way_holds_up_nobody(
    send_by: Callable[[Line], threading.Event], tmp_path: Path
) -> None:
    blobs = LocalBlobs(tmp_path)
    engine = SpeechEngine(Chirp(Network(8, ["ada"]), ("ada",)), blobs, 0, 60)
    arrived = threading.Event()
    begun = send_by(lambda: arrived.wait(60))
    try:
        engine.add("task", typed({"input": "Hi", "format": "wav"}), 1)
        while not begun.is_set():
            engine.step()
        assert [engine.step() for _ in range(5)] == [[Alive("task")]] * 5
    finally:
        arrived.set()
    outputs: list[Output] = []
    while not (outputs and isinstance(outputs[-1], Done | Failed)):
        outputs += engine.step()
    last = outputs[-1]
    assert isinstance(last, Done)
    (file,) = last.result.files().values()
    assert blobs.read(file.blob).startswith(b"RIFF")
    engine.close()

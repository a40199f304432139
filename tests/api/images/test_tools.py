"""`/mcp` as the official client meets it: what tools make, their progress, cancelling, errors, and who may call."""

import base64
import random
import threading
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
import redis
from mcp.shared.exceptions import MCPError
from PIL import Image

from api.http.bodies.fields import RequestModel
from api.mcp.arguments import Arguments
from api.mcp.tools import TOOLS
from api.openai.embeddings.schema import EmbeddingRequest
from api.openai.images.schema import GenerationRequest, JsonEditRequest
from api.openai.speech.schema import SpeechRequest
from api.openai.transcription.schema import TranscriptionRequest
from jobs import keys
from jobs.blobs import BlobStore
from jobs.errors import ModelNotFound
from tests.support.api_server import ApiServer
from tests.support.events import EventType
from tests.support.images import encoded
from tests.support.painter import PNG, finish, made
from tests.support.scripted_worker import Run, ScriptedWorker
from tests.support.tool_client import ERAS, images, links, texts, tool_client

pytestmark = pytest.mark.anyio

MakeApi = Callable[..., ApiServer]
CALL = {"prompt": "A fox", "size": "64x64"}
#: Arguments that are no fields of the routes' bodies.
OWN = {"background", "audio", "translate"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def api(make_api: MakeApi) -> ApiServer:
    return make_api()


def rpc(method: str, number: int | None = 1, **params: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    return message if number is None else {**message, "id": number}


def post(api: ApiServer, body: Any, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named = {"accept": "application/json, text/event-stream", **named}
    return httpx.post(f"{api.url}/mcp", json=body, headers=named, timeout=60)


def begin(api: ApiServer) -> str:
    """A client's session."""
    hello: dict[str, Any] = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    answer = post(api, rpc("initialize", **hello))
    assert answer.status_code == 200, answer.text
    return str(answer.headers["mcp-session-id"])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": None}, "Invalid 'id'"),
        ({"id": 1.5}, "Invalid 'id'"),
        ({"id": True}, "Invalid 'id'"),
        ({"id": {}}, "Invalid 'id'"),
        ({"jsonrpc": "1.0"}, "Invalid 'jsonrpc'"),
        ({"method": 5}, "Invalid 'method'"),
        ({"method": None}, "Invalid 'method'"),
        ({"params": []}, "Invalid 'params'"),
    ],
)
def test_what_is_no_message_is_refused_and_not_left_without_an_answer(
    api: ApiServer, changes: dict[str, Any], reason: str
) -> None:
    answer = post(api, {**rpc("tools/list"), **changes})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"].startswith(reason)


def test_a_message_is_json_whatever_it_is_called(api: ApiServer) -> None:
    answer = post(api, rpc("ping"), content_type="text/plain")
    assert (answer.status_code, '"result"' in answer.text) == (200, True), answer.text


async def test_which_model_painted_instead_is_told(api: ApiServer, painter: ScriptedWorker) -> None:
    async with tool_client(api.url) as client:
        answer = await client.call_tool("generate_image", {**CALL, "model": "gpt-image-1"})
    assert "Warning: the model 'paints' answers in place of 'gpt-image-1'." in texts(answer)


@pytest.mark.parametrize("era", ERAS)
async def test_a_picture_is_made_by_a_job_whose_steps_are_told(
    api: ApiServer, painter: ScriptedWorker, blobs: BlobStore, era: str
) -> None:
    def paint(run: Run) -> None:
        for done in (1, 2, 3):
            run.emit(EventType.PROGRESS, done=done, total=3)
        finish(run, blobs)

    painter.play(paint)
    told: list[tuple[float, float | None, str | None]] = []
    complete = anyio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))
        if progress == total:
            complete.set()

    async with tool_client(api.url, era) as client:
        result = await client.call_tool("generate_image", {**CALL, "n": 2}, progress_callback=note)
        # Notifications may be read after the result.
        with anyio.fail_after(60):
            await complete.wait()
    assert not result.is_error, result
    assert [base64.b64decode(each.data) for each in images(result)] == [made(0), made(1)]
    assert [httpx.get(link).content for link in links(result)] == [made(0), made(1)]
    assert [each for each in told if each[1]] == [(float(done), 3.0, f"{done}/3 steps") for done in (1, 2, 3)]
    numbers = [number for number, _, _ in told]
    assert numbers == sorted(set(numbers))
    job_id = painter.runs[0].claim.job_id
    assert f"{job_id}/100" in texts(result)
    job = httpx.get(f"{api.url}/v1/jobs/{job_id}").json()
    assert (job["status"], job["result"]["size"]) == ("completed", "64x64")


async def test_every_tool_is_listed_with_arguments_that_its_route_takes(api: ApiServer) -> None:
    async with tool_client(api.url) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert client.server_info is not None
        assert client.server_info.name == "mlxq"
    assert set(listed) == {
        *("generate_image", "edit_image", "transcribe", "speak", "embed", "list_models", "queue_status")
    }
    routes: dict[str, type[RequestModel]] = {
        "generate_image": GenerationRequest,
        "edit_image": JsonEditRequest,
        "transcribe": TranscriptionRequest,
        "speak": SpeechRequest,
        "embed": EmbeddingRequest,
    }
    for name, route in routes.items():
        properties = listed[name].input_schema["properties"]
        assert set(properties) - OWN <= set(route.model_fields)
        assert all(each["description"] for each in properties.values())


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_is_given_up_cancels_its_job(
    api: ApiServer, painter: ScriptedWorker, era: str
) -> None:
    saw: list[bool] = []
    done = threading.Event()

    def wait(run: Run) -> None:
        saw.append(run.until_cancelled())
        run.cancelled()
        done.set()

    painter.play(wait)
    async with tool_client(api.url, era) as client:
        async with anyio.create_task_group() as calls:
            calls.start_soon(client.call_tool, "generate_image", CALL)
            assert await anyio.to_thread.run_sync(lambda: painter.claimed.acquire(timeout=60))
            calls.cancel_scope.cancel()
        assert await anyio.to_thread.run_sync(done.wait, 60)
        assert saw == [True]
        assert not (await client.call_tool("generate_image", CALL)).is_error


async def test_any_process_cancels_a_call_of_its_session_alone(
    make_api: MakeApi, painter: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    first, second = make_api(), make_api()
    going = threading.Event()

    def wait(run: Run) -> None:
        going.set()
        run.until_cancelled()
        run.cancelled()

    painter.play(wait)
    session, other = begin(first), begin(second)
    answers: list[httpx.Response] = []
    call = rpc("tools/call", 7, name="generate_image", arguments=CALL)
    caller = threading.Thread(target=lambda: answers.append(post(first, call, mcp_session_id=session)))
    caller.start()
    assert await anyio.to_thread.run_sync(going.wait, 60)
    job = keys.job(painter.runs[0].claim.job_id)
    stop = rpc("notifications/cancelled", None, requestId=7)
    for headers in ({}, {"mcp_session_id": other}, {"mcp_session_id": "no token"}):
        assert post(second, stop, **headers).status_code == 202
    assert post(
        second, rpc("notifications/cancelled", None, requestId="7"), mcp_session_id=session
    ).is_success
    assert not clean_redis.hexists(job, "mlxq_cancel")
    assert post(second, stop, mcp_session_id=session).status_code == 202
    await anyio.to_thread.run_sync(caller.join, 20)
    assert "cancelled" in answers[0].text
    assert not clean_redis.keys(keys.tool_call("*"))


@pytest.mark.parametrize(("setting", "cancels"), [("cancel", True), ("keep", False)])
def test_a_connection_that_breaks_is_as_on_every_route(
    make_api: MakeApi, painter: ScriptedWorker, setting: str, cancels: bool
) -> None:
    """Of a client with a session: it would have said that it cancels."""
    api = make_api(image_on_disconnect=setting, linger_time=0)
    left, done = threading.Event(), threading.Event()
    saw: list[bool] = []

    def wait(run: Run) -> None:
        left.wait(60)
        saw.append(run.until_cancelled(30 if cancels else 0.3))
        run.cancelled()
        done.set()

    painter.play(wait)
    call = rpc("tools/call", 7, name="generate_image", arguments=CALL)
    headers = {"accept": "*/*", "mcp-session-id": begin(api)}
    with httpx.stream("POST", f"{api.url}/mcp", json=call, headers=headers):
        assert painter.claimed.acquire(timeout=60)
    left.set()
    assert done.wait(40)
    assert saw == [cancels]


async def test_what_is_wrong_is_told_to_the_model(api: ApiServer, painter: ScriptedWorker) -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("generate_image", {}, "'prompt'"),
        ("generate_image", {"prompt": "A fox", "size": "63x64"}, "Invalid 'size'"),
        ("generate_image", {"prompt": "A fox", "seeed": 1}, "Unknown argument: 'seeed'"),
        ("generate_image", {"prompt": ["A fox"]}, "Invalid 'prompt'"),
        ("generate_image", {"prompt": "A fox", "model": "nobody/absent"}, "nobody/absent"),
        ("edit_image", {"prompt": "A fox"}, "'image'"),
        ("edit_image", {"prompt": "A fox", "image": "/Users/me/fox.png"}, "is a path"),
        ("edit_image", {"prompt": "A fox", "image": "!!!!"}, "base64"),
        ("edit_image", {"prompt": "A fox", "image": "http://127.0.0.1:1/a.png"}, "no public address"),
        ("edit_image", {"prompt": "A fox", "image": f"img-{24 * '0'}/0"}, "No job"),
        ("edit_image", {"prompt": "A fox", "image": 5}, "must be a text"),
        ("transcribe", {"audio": "http://127.0.0.1:1/a.wav"}, ""),
        ("transcribe", {"audio": "UklGRg==", "translate": "yes"}, "'translate'"),
        ("embed", {"input": ["x"] * 65}, "up to 64"),
        ("queue_status", {"job_id": "img-nothing"}, "No job"),
        ("queue_status", {"wait": 61}, "'wait'"),
        ("list_models", {"type": 5}, "'type'"),
    ]
    async with tool_client(api.url) as client:
        for name, arguments, said in wrong:
            result = await client.call_tool(name, arguments)
            assert result.is_error, (name, arguments)
            assert said in texts(result), (name, arguments, texts(result))
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("rm", {})
        painter.play(lambda run: run.fail(ModelNotFound("It has gone.", param="model")))
        result = await client.call_tool("generate_image", CALL)
        assert (result.is_error, texts(result)) == (True, "It has gone.")
    assert len(painter.runs) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_what_a_tool_made_is_changed_by_the_next(
    api: ApiServer, painter: ScriptedWorker, era: str
) -> None:
    data_url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    async with tool_client(api.url, era) as client:
        first = await client.call_tool("generate_image", CALL)
        name = f"{painter.runs[0].claim.job_id}/100"
        for image in (name, links(first)[0], data_url, base64.b64encode(PNG).decode()):
            result = await client.call_tool("edit_image", {"prompt": "A blue fox", "image": image})
            assert not result.is_error, texts(result)
            assert painter.runs[-1].payload["mode"] == "edit"
            assert len(painter.runs[-1].payload["images"]) == 1


async def test_a_long_job_is_left_in_the_queue_and_looked_at_later(
    api: ApiServer, painter: ScriptedWorker, blobs: BlobStore
) -> None:
    go_on = threading.Event()

    def paint(run: Run) -> None:
        run.emit(EventType.PROGRESS, done=1, total=2)
        go_on.wait(60)
        finish(run, blobs)

    painter.play(paint)
    async with tool_client(api.url) as client:
        accepted = texts(await client.call_tool("generate_image", {**CALL, "background": True}))
        assert painter.claimed.acquire(timeout=60)
        job_id = painter.runs[0].claim.job_id
        assert job_id in accepted
        state = texts(await client.call_tool("queue_status", {"job_id": job_id}))
        assert '"status":"in_progress"' in state
        assert '"image":{"waiting":0,"running":1' in texts(await client.call_tool("queue_status", {}))
        go_on.set()
        ended = await client.call_tool("queue_status", {"job_id": job_id, "wait": 20})
    assert '"status":"completed"' in texts(ended)
    assert [base64.b64decode(each.data) for each in images(ended)] == [made(0)]


async def test_a_large_picture_is_sent_smaller_with_a_link_to_the_whole(
    api: ApiServer, painter: ScriptedWorker, blobs: BlobStore
) -> None:
    large = encoded(Image.frombytes("RGB", (900, 900), random.Random(1).randbytes(900 * 900 * 3)))
    assert len(large) > 2_000_000

    def paint(run: Run) -> None:
        image = {"artifact": 0, "blob": blobs.put(large), "seed": 1, "content_type": "image/png"}
        run.end(
            result={
                "images": [{**image, "width": 900, "height": 900}],
                "usage": {"input_tokens": 1, "output_tokens": 1},
            }
        )

    painter.play(paint)
    async with tool_client(api.url) as client:
        result = await client.call_tool("generate_image", CALL)
    (image,) = images(result)
    assert (image.mime_type, len(image.data) < 1_000_000) == ("image/jpeg", True)
    assert httpx.get(links(result)[0]).content == large


def test_who_may_not_call_is_refused(make_api: MakeApi, painter: ScriptedWorker) -> None:
    call = rpc("tools/call", name="generate_image", arguments=CALL)
    open_api, keyed = make_api(), make_api(api_keys="secret")
    narrow = make_api(cors_origins="https://friend.example")
    for api, headers, status in (
        (open_api, {"origin": "https://evil.example"}, 403),
        (open_api, {"origin": "http://localhost:3000"}, 403),
        (open_api, {"host": "evil.example"}, 403),
        (open_api, {"x_forwarded_for": "203.0.113.7"}, 403),
        (narrow, {"origin": "https://evil.example"}, 403),
        (keyed, {}, 401),
        (keyed, {"authorization": "Bearer wrong"}, 401),
    ):
        answer = post(api, call, **headers)
        assert answer.status_code == status, headers
        assert answer.json()["jsonrpc"] == "2.0"
        assert answer.json()["error"]["message"]
    assert painter.runs == []
    for api, headers in (
        (keyed, {"authorization": "Bearer secret"}),
        (keyed, {"x_api_key": "secret"}),
        (narrow, {"origin": "https://friend.example"}),
        (open_api, {}),
    ):
        assert post(api, call, **headers).status_code == 200
    assert len(painter.runs) == 4


def test_what_is_no_message_is_refused(api: ApiServer) -> None:
    for body in (b"", b"{", b"[]", b"5", b'"x"', b"\xff", b"[" * 100_000):
        answer = httpx.post(f"{api.url}/mcp", content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["jsonrpc"]) == (400, "2.0"), body[:20]
    for message in (
        {},
        {"method": 5},
        rpc("tools/call"),
        rpc("no/such"),
        rpc("tools/call", name=5, arguments=[]),
    ):
        answer = post(api, message)
        assert answer.status_code < 500, message
        assert "error" in answer.text, message
    assert httpx.get(f"{api.url}/mcp").status_code == 405
    assert httpx.delete(f"{api.url}/mcp").status_code == 405


def test_arguments_tell_what_they_take() -> None:
    assert all(isinstance(tool.arguments, Arguments) for tool in TOOLS.values())
    assert all(set(tool.arguments.required) <= set(tool.arguments.schemas) for tool in TOOLS.values())

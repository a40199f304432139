"""With or without `/v1`: a route says its path once, and is answered at both."""

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from api.app import RESOURCES, create_app
from api.dispatch.resource import Resource
from api.http.routes.addresses import Addresses
from api.ollama.dialect import OLLAMA
from api.openai.dialect import OPENAI
from tests.api.conftest import MakeSettings


@pytest.mark.parametrize(
    "path", ["audio/speech", "chat/completions", "completions", "embeddings", "images/generations"]
)
def test_posts_without_a_version(http: httpx.Client, path: str) -> None:
    for address in (f"/v1/{path}", f"/{path}", f"/{path}/", f"/v1//{path}"):
        assert http.post(address, json={}).status_code == 400, address
        assert http.get(address).headers["allow"] == "POST", address


@pytest.mark.parametrize(
    ("path", "members"),
    [
        ("/v1/messages/nope", {"type", "error", "request_id"}),
        ("/v1/messages/batches/a%2Fb", {"type", "error", "request_id"}),
        ("/api/nope", {"error"}),
        ("/api/v0/nope", {"error", "detail"}),
        ("/mcp/nope", {"jsonrpc", "id", "error"}),
        ("/v1/nope", {"error", "detail"}),
        ("/nope", {"error", "detail"}),
    ],
)
def test_an_address_that_is_not_there_is_refused_as_its_neighbours(
    http: httpx.Client, path: str, members: set[str]
) -> None:
    answer = http.post(path, json={})
    assert (answer.status_code, answer.json().keys()) == (404, members), answer.text


def test_a_path_of_many_parts_is_compared_as_often_as_one_of_few() -> None:
    class Compared(str):
        times = 0

        def __format__(self, spec: str) -> str:
            Compared.times += 1
            return str(self)

    route = APIRoute("/api/chat", lambda: None)
    route.path = Compared(route.path)
    addresses = Addresses([(route, OLLAMA)], OPENAI)
    assert addresses.dialect("/api/chat/nope", "POST") is OLLAMA
    few, Compared.times = Compared.times, 0
    assert addresses.dialect("/api/chat" + "/nope" * 10_000, "POST") is OLLAMA
    assert Compared.times <= few


@pytest.mark.parametrize(
    "path",
    [
        "jobs",
        "manager/status",
        "models",
        "queue/stats",
        "settings",
        "system/status",
        "voices",
    ],
)
def test_reads_without_a_version(http: httpx.Client, path: str) -> None:
    answers = [http.get(address).status_code for address in (f"/v1/{path}", f"/{path}")]
    assert answers == [200, 200]


def test_what_has_no_version_gets_none(http: httpx.Client) -> None:
    assert http.get("/health").status_code != 404
    assert http.get("/v1/health").status_code == 404
    assert http.get("/v1/docs").status_code == 404


def test_every_resource_of_the_first_version_has_both_forms(make_settings: MakeSettings) -> None:
    names = (
        "audio chat completions discover embeddings images jobs manager models queue settings system voices"
    )
    assert create_app(make_settings()).state.addresses.versioned >= {*names.split(" ")}


def test_the_order_of_registration_does_not_matter(make_settings: MakeSettings) -> None:
    """A literal path is met before one that takes any name, whichever is registered first."""
    router = APIRouter()

    @router.get("/v1/models/all-of-them")
    async def literal() -> str:
        return "literal"

    for resources in (
        (*RESOURCES, Resource(OPENAI, routers=(router,))),
        (Resource(OPENAI, routers=(router,)), *RESOURCES),
    ):
        with TestClient(create_app(make_settings(), resources)) as client:
            assert client.get("/v1/models/all-of-them").json() == "literal"
            assert client.get("/models/all-of-them").json() == "literal"
            assert client.get("/models/tiny").json()["id"] == "tiny"


def test_an_address_of_its_own_is_not_taken_for_another(make_settings: MakeSettings) -> None:
    router = APIRouter()

    @router.get("/jobs")
    async def page() -> str:
        return "a page"

    with TestClient(create_app(make_settings(), (*RESOURCES, Resource(OPENAI, routers=(router,))))) as client:
        assert client.get("/jobs").json() == "a page"
        assert client.get("/v1/jobs").json()["object"] == "list"

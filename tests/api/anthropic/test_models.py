"""`/v1/models` for Anthropic's clients, and their base address."""

import anthropic
import httpx
import pytest
from anthropic.types import ModelInfo

from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

VERSION = {"anthropic-version": "2023-06-01"}


def test_who_sends_a_version_gets_anthropics_list(claude: anthropic.Anthropic, http: httpx.Client) -> None:
    models = list(claude.models.list(limit=1))
    assert [model.id for model in models] == ["org/other", "tiny"]
    assert models[1].max_input_tokens == 4096
    assert claude.models.retrieve("org/other").id == "org/other"
    for each in http.get("/v1/models", headers=VERSION).json()["data"]:
        ModelInfo.model_validate(each)
    assert http.get("/v1/models").json()["object"] == "list"


def test_pages_go_both_ways(http: httpx.Client) -> None:
    def page(**where: str) -> tuple[list[str], bool]:
        answer = http.get("/v1/models", params={"limit": 1, **where}, headers=VERSION).json()
        return [each["id"] for each in answer["data"]], answer["has_more"]

    assert page() == (["org/other"], True)
    assert page(after_id="org/other") == (["tiny"], False)
    assert page(before_id="tiny") == (["org/other"], False)
    # Not from the beginning again, as a client that walks pages would never end.
    for cursor in ("after_id", "before_id"):
        refused = http.get("/v1/models", params={cursor: "gone"}, headers=VERSION)
        assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_request_error")


def test_a_missing_model_is_missed_in_the_callers_dialect(
    claude: anthropic.Anthropic, http: httpx.Client
) -> None:
    with pytest.raises(anthropic.NotFoundError) as missing:
        claude.models.retrieve("nope")
    assert isinstance(missing.value.body, dict)
    assert missing.value.body["error"]["type"] == "not_found_error"
    assert http.get("/v1/models/nope").json()["error"]["code"] == "model_not_found"


def test_the_base_address_may_name_the_dialect(api: ApiServer, worker: ScriptedWorker) -> None:
    with anthropic.Anthropic(base_url=f"{api.url}/anthropic", api_key="any", max_retries=0) as client:
        message = client.messages.create(
            model="tiny", max_tokens=9, messages=[{"role": "user", "content": "Hello"}]
        )
        assert message.type == "message"
    with httpx.Client(base_url=f"{api.url}/anthropic") as client:
        assert "first_id" in client.get("/v1/models").json()

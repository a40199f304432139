"""The application without a server: as the http_client of OpenAI's SDK (R96)."""

import openai
import pytest
from starlette.testclient import TestClient

from api.app import create_app
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.scripted_worker import ScriptedWorker


@pytest.mark.parametrize("entered", [False, True])
def test_the_app_is_the_sdks_http_client(
    make_settings: MakeSettings, worker: ScriptedWorker, entered: bool
) -> None:
    client = TestClient(create_app(make_settings(allowed_hosts="*")))
    sdk = openai.OpenAI(http_client=client, api_key="any", max_retries=0)
    if entered:
        client.__enter__()
    try:
        for text in ("one", "two"):
            answer = sdk.chat.completions.create(**chat(text))
            assert answer.choices[0].message.content == text
        chunks = sdk.chat.completions.create(**chat("in pieces"), stream=True)
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == "in pieces"
        assert "tiny" in [model.id for model in sdk.models.list()]
        with pytest.raises(openai.NotFoundError):
            sdk.models.retrieve("nix")
    finally:
        if entered:
            client.__exit__()
        client.close()


def test_the_description_is_whole(make_settings: MakeSettings) -> None:
    client = TestClient(create_app(make_settings(allowed_hosts="*")))
    description = client.get("/openapi.json").json()
    schemas = description["components"]["schemas"]
    body = description["paths"]["/v1/chat/completions"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ChatRequest"}
    assert {"ChatRequest", "Message", "LoadRequest", "ErrorBody"} <= set(schemas)

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*map(references, value.values()))
        return set().union(*map(references, value)) if isinstance(value, list) else set()

    assert references(description) <= {f"#/components/schemas/{name}" for name in schemas}
    assert "422" not in str(description["paths"])
    client.close()

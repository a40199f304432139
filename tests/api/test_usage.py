"""`/v1/usage`: sums that are those of the jobs, groups, prices, CSV, and who sees what."""

import csv
import io
import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
import redis

from jobs import keys
from jobs.errors import EngineFailure
from jobs.usage import KEPT_DAYS, today
from tests.api.conftest import MakeSettings
from tests.api.requests import chat, completion
from tests.api.test_owners import Keyed
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import Run, ScriptedWorker

USAGE = "/v1/usage"
APPS = ("notes", "editor", "mail", "agent", "night batch")
TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens")


def usage(http: httpx.Client, **params: Any) -> dict[str, Any]:
    answer: dict[str, Any] = http.get(USAGE, params=params).raise_for_status().json()
    return answer


def store(connection: redis.Redis, *rows: tuple[str, ...], days_ago: int = 0, **figures: int) -> None:
    """Rows as the gate writes them, of kind, key, app and model; each has these figures."""
    order = (
        *("completed", "failed", "cancelled", "expired", "device_milliseconds"),
        *(
            "prompt_tokens",
            "cached_tokens",
            "completion_tokens",
            "images",
            "audio_milliseconds",
            "characters",
        ),
    )
    told = " ".join(str(figures.get(name, (name == "completed" and 1) or 0)) for name in order)
    day = (today() - timedelta(days_ago) - date(1970, 1, 1)).days
    for row in rows:
        connection.hset(keys.usage(day), "\x1f".join(row), told)


def varied(run: Run) -> None:
    """Fail now and then; else answer with numbers of tokens that the prompt decides, as if it had run for long."""
    drawn = Random(str(run.payload.get("messages") or run.payload.get("prompts")))
    began = time.time() - drawn.uniform(10, 100)
    run.note("mlxq_ran_ms", int(began * 1000))
    if drawn.random() < 0.1:
        run.fail(EngineFailure("It broke."))
        return
    prompt = drawn.randrange(1, 5000)
    run.complete(
        "Hello",
        prompt_tokens=prompt,
        cached_tokens=drawn.randrange(prompt),
        completion_tokens=drawn.randrange(1, 500),
    )


@pytest.mark.slow
def test_sums_are_those_of_a_thousand_jobs_of_five_apps(make_settings: MakeSettings, redis_url: str) -> None:
    drawn = Random(14)
    asked = [(drawn.choice(APPS), drawn.choice(("chat", "completion")), number) for number in range(1000)]
    sums = {app: Counter[str]() for app in APPS}
    with (
        ScriptedWorker(redis_url, default=varied),
        ApiServer(make_settings()) as api,
        httpx.Client(base_url=api.url, timeout=60) as http,
    ):

        def ask(request: tuple[str, str, int]) -> tuple[str, httpx.Response]:
            app, kind, number = request
            if kind == "chat":
                path, body = "/v1/chat/completions", chat(f"question {number}")
            else:
                path, body = "/v1/completions", completion(f"text {number}")
            return app, http.post(path, json=body, headers={"x-app": app})

        with ThreadPoolExecutor(12) as threads:
            for app, answer in threads.map(ask, asked):
                sums[app]["requests"] += 1
                sums[app]["completed" if answer.status_code == 200 else "failed"] += 1
                if answer.status_code == 200:
                    told = answer.json()["usage"]
                    sums[app]["prompt_tokens"] += told["prompt_tokens"]
                    sums[app]["completion_tokens"] += told["completion_tokens"]
                    sums[app]["cached_tokens"] += told["prompt_tokens_details"]["cached_tokens"]
        ran = dict.fromkeys(APPS, 0.0)
        page: dict[str, Any] = {"has_more": True, "last_id": None}
        while page["has_more"]:
            after = {"after": page["last_id"]} if page["last_id"] else {}
            page = http.get("/v1/jobs", params={"limit": 100, **after}).raise_for_status().json()
            for job in page["data"]:
                ran[job["app"]] += job["timings"]["run_seconds"]
        by_app = {row["app"]: row for row in usage(http, group_by="app")["data"]}
        assert {app: {name: by_app[app][name] for name in sums[app]} for app in APPS} == sums
        for app in APPS:
            # The worker notes the end of a job, and a moment later Redis does.
            assert by_app[app]["device_seconds"] == pytest.approx(ran[app], abs=1.0 * sums[app]["requests"])
        whole = usage(http, limit=1)
        assert whole["total"]["requests"] == 1000
        assert {name: whole["total"][name] for name in TOKENS} == {
            name: sum(each[name] for each in sums.values()) for name in TOKENS
        }
        kinds = Counter(kind for _, kind, _ in asked)
        assert {row["kind"]: row["requests"] for row in usage(http, group_by="kind")["data"]} == kinds


@pytest.fixture
def own_prices(tmp_path: Path) -> Path:
    return tmp_path / "prices.json"


@pytest.fixture
def priced(make_settings: MakeSettings, own_prices: Path) -> Iterator[httpx.Client]:
    with (
        ApiServer(make_settings(usage_prices=own_prices)) as api,
        httpx.Client(base_url=api.url, timeout=30) as http,
    ):
        yield http


def test_rows_are_grouped_filtered_and_turned_over(priced: httpx.Client, clean_redis: redis.Redis) -> None:
    rows = [
        ("chat", "", "notes", "org/a"),
        ("chat", "", "notes", "org/b"),
        ("embedding", "", "mail", "org/b"),
        ("chat", ""),
    ]
    store(clean_redis, *rows, prompt_tokens=10)
    store(clean_redis, *rows, days_ago=1, prompt_tokens=1)
    store(clean_redis, *rows, days_ago=40, prompt_tokens=1)
    found = usage(priced)
    days = [today().isoformat(), (today() - timedelta(1)).isoformat()]
    assert [row["day"] for row in found["data"]] == [day for day in days for _ in rows]
    assert [(row["app"], row["model"], row["kind"]) for row in found["data"][:4]] == [
        *(("mail", "org/b", "embedding"), ("notes", "org/a", "chat"), ("notes", "org/b", "chat")),
        (None, None, "chat"),
    ]
    assert found["total"]["prompt_tokens"] == 44
    assert (found["to"], found["group_by"]) == (days[0], ["day", "app", "key", "model", "kind"])
    pages, after = [], None
    while True:
        page = usage(priced, limit=3, **({"after": after} if after else {}))
        pages.append(page["data"])
        assert page["total"] == found["total"]
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert [row for page in pages for row in page] == found["data"]
    assert [len(page) for page in pages] == [3, 3, 2]
    by_model = usage(priced, group_by="model", app="notes", to=days[1], **{"from": days[1]})
    assert [(row["model"], row["app"], row["requests"]) for row in by_model["data"]] == [
        *(("org/a", None, 1), ("org/b", None, 1))
    ]
    assert usage(priced, kind="embedding", group_by="")["data"][0]["requests"] == 2
    assert usage(priced, group_by="", **{"from": "1970-01-01"})["total"]["requests"] == 12
    older = today() - timedelta(KEPT_DAYS + 10)
    assert usage(priced, to=older.isoformat())["data"] == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-27", "to": "2026-11-26"}, "from"),
        ({"group_by": "day,shoe"}, "group_by"),
        ({"kind": "load"}, "kind"),
        ({"after": "nothing"}, "after"),
        ({"limit": "0"}, "limit"),
        ({"format": "xml"}, "format"),
    ],
    ids=str,
)
def test_what_it_does_not_understand_is_refused(
    priced: httpx.Client, query: dict[str, str], param: str
) -> None:
    answer = priced.get(USAGE, params=query)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_csv_holds_no_formulas(priced: httpx.Client, clean_redis: redis.Redis) -> None:
    names = ("=cmd|' /C calc'!A0", "+1", "-2", "@SUM(A1)", 'a "quoted", name', "\u202eplain")
    store(clean_redis, *(("chat", "", name, "=org/a") for name in names), prompt_tokens=5)
    for answer in (
        priced.get(USAGE, params={"format": "csv", "group_by": "app,model", "limit": 1}),
        priced.get(USAGE, params={"group_by": "app,model"}, headers={"accept": "text/csv"}),
    ):
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"].startswith('attachment; filename="usage-')
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        dangerous = {f"'{name}" for name in names[:4]}
        assert {row["app"] for row in rows} == dangerous | set(names[4:])
        assert {(row["model"], row["prompt_tokens"], row["cost"]) for row in rows} == {("'=org/a", "5", "")}


def cost(http: httpx.Client, model: str) -> float | None:
    found: float | None = usage(http, model=model, group_by="model")["data"][0]["cost"]
    return found


def test_a_model_gets_the_first_price_that_fits(
    priced: httpx.Client, clean_redis: redis.Redis, own_prices: Path
) -> None:
    texts = {"prompt_tokens": 1_000_000, "cached_tokens": 500_000, "completion_tokens": 1_000_000}
    prices = {
        "lmstudio-community/gpt-oss-20b-MLX-8bit": 0.035 + 0.0175 + 0.3,
        "mlx-community/Qwen3-4B-4bit": 0.05 + 0.025 + 0.1,
        "mlx-community/Qwen3-4B-4bit+org/adapter-70b": 0.05 + 0.025 + 0.1,
        "mlx-community/Qwen3-30B-A3B-4bit": 0.25 + 0.125 + 0.5,
        "mlx-community/Mixtral-8x7B-4bit": 0.25 + 0.125 + 0.5,
        "mlx-community/Llama-3.3-70B-Instruct-4bit": 0.45 + 0.225 + 0.9,
        "models/tiny-chat": None,
        "org/gemma-4bit": None,
    }
    store(clean_redis, *(("chat", "", "notes", model) for model in prices), **texts)
    for model, price in prices.items():
        assert cost(priced, model) == (None if price is None else pytest.approx(price)), model
    whole = usage(priced, group_by="")
    assert whole["total"]["cost"] == pytest.approx(sum(filter(None, prices.values())))
    assert (whole["total"]["unpriced_requests"], whole["prices"]["currency"]) == (2, "USD")
    own = {"date": "2027-01-01", "models": [{"model": "TINY-*", "prompt": 2, "completion": 4}]}
    own_prices.write_text(json.dumps(own))
    assert cost(priced, "models/tiny-chat") == pytest.approx(6)
    assert cost(priced, "mlx-community/Qwen3-4B-4bit") == pytest.approx(0.175)
    assert usage(priced)["prices"] == {"date": "2027-01-01", "currency": "USD"}
    own_prices.write_text(json.dumps({**own, "currency": "EUR"}))
    assert cost(priced, "mlx-community/Qwen3-4B-4bit") is None
    assert usage(priced)["prices"]["currency"] == "EUR"
    own_prices.write_text('{"models": [{"model": "*", "prompt": -1}]}')
    assert cost(priced, "mlx-community/Qwen3-4B-4bit") == pytest.approx(0.175)


def test_what_is_no_text_has_prices_of_its_own(
    priced: httpx.Client, clean_redis: redis.Redis, own_prices: Path
) -> None:
    store(clean_redis, ("transcription", "", "a", "org/whisper-large-v3-turbo"), audio_milliseconds=3_600_000)
    store(clean_redis, ("speech", "", "a", "org/Kokoro-82M-bf16"), characters=500_000)
    store(clean_redis, ("image", "", "a", "org/FLUX.1-schnell-4bit"), images=10)
    store(
        clean_redis, ("embedding", "", "a", "org/embed-7b"), ("rerank", "", "a", "org/rank"), prompt_tokens=9
    )
    assert {row["kind"]: row["cost"] for row in usage(priced, group_by="kind")["data"]} == {
        "transcription": pytest.approx(0.04),
        "speech": pytest.approx(0.4),
        "image": pytest.approx(0.027),
        "embedding": None,
        "rerank": None,
    }
    own_prices.write_text('{"models": [{"model": "*rank", "request": 0.5}]}')
    assert cost(priced, "org/rank") == pytest.approx(0.5)


def test_a_key_sees_what_was_used_with_it(make_settings: MakeSettings, worker: ScriptedWorker) -> None:
    with ApiServer(make_settings(api_keys="key-of-ann,key-of-bob", admin_keys="key-of-the-chief")) as api:
        keyed = Keyed(api.url)
        for http, number in ((keyed.ann, 2), (keyed.bob, 1)):
            for _ in range(number):
                http.post("/v1/chat/completions", json=chat()).raise_for_status()
        hers, his, all_of_them = (usage(each) for each in (keyed.ann, keyed.bob, keyed.chief))
        assert [each["total"]["requests"] for each in (hers, his, all_of_them)] == [2, 1, 3]
        (her_key,), (his_key,) = ({row["key"] for row in each["data"]} for each in (hers, his))
        assert {row["key"]: row["requests"] for row in all_of_them["data"]} == {her_key: 2, his_key: 1}
        assert usage(keyed.bob, key=her_key)["data"] == []
        assert usage(keyed.chief, key=her_key)["total"]["requests"] == 2
        assert "key-of" not in keyed.chief.get(USAGE).text
        keyed.close()


def test_the_folder_of_a_model_is_not_told(priced: httpx.Client, clean_redis: redis.Redis) -> None:
    store(clean_redis, ("chat", "", "a", "/users/somebody/models/mine"))
    assert [row["model"] for row in usage(priced)["data"]] == ["mine"]
    assert usage(priced, model="mine")["total"]["requests"] == 1

"""Whole requests as bytes, each drawn by its number: the same seed and number give the same request."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote

from tests.fuzz import bodies, dialects, servers, stores, values

#: Routes that take a body. The two that end the server are left out.
POSTS: dict[str, Callable[[Random], dict[str, Any]]] = {
    "/v1/chat/completions": bodies.chat,
    "/v1/completions": bodies.completion,
    "/v1/responses": dialects.response,
    "/v1/responses/input_tokens": dialects.response,
    "/v1/messages": dialects.message,
    "/v1/messages/count_tokens": dialects.conversation,
    "/api/chat": dialects.ollama_chat,
    "/api/generate": dialects.ollama_prompt,
    "/api/embed": dialects.ollama_input,
    "/api/embeddings": dialects.ollama_input,
    "/api/show": dialects.ollama_model,
    "/api/pull": dialects.ollama_model,
    "/api/v0/chat/completions": servers.lmstudio_chat,
    "/api/v0/completions": servers.lmstudio_prompt,
    "/api/v0/embeddings": bodies.embedding,
    "/api/v1/models/load": servers.lmstudio_load,
    "/api/v1/models/unload": servers.lmstudio_unload,
    "/completion": servers.llama_prompt,
    "/tokenize": servers.llama_text,
    "/detokenize": servers.llama_tokens,
    "/apply-template": bodies.chat,
    "/v1/rerank": servers.ranks,
    "/v1/reranking": servers.ranks,
    "/v2/rerank": servers.ranks,
    "/v1/embeddings": bodies.embedding,
    "/v1/images/generations": bodies.image,
    "/v1/images/edits": bodies.edit,
    "/v1/images/variations": bodies.edit,
    "/v1/audio/transcriptions": bodies.transcription,
    "/v1/audio/translations": bodies.transcription,
    "/v1/audio/speech": bodies.speech,
    "/v1/models/tiny-chat/generate": bodies.generate,
    "/v1/models/load": bodies.named_model,
    "/v1/models/unload": bodies.named_model,
    "/v1/models/download": bodies.download,
    "/v1/models/install": bodies.download,
    "/v1/manager/models/tiny-chat/priority": bodies.priority,
    "/v1/messages/batches": stores.message_batch,
    "/v1/batches": stores.batch,
    "/v1/files": stores.file,
    "/api/create": stores.alias,
    "/api/copy": stores.copied,
    "/mcp": stores.rpc,
}
_FILES = {
    "/v1/images/edits": "image",
    "/v1/images/variations": "image",
    "/v1/audio/transcriptions": "file",
    "/v1/audio/translations": "file",
    "/v1/files": "file",
}
GETS = (
    "/",
    "/health",
    "/v1/models",
    "/v1/models/status",
    "/v1/models/{}",
    "/v1/models/{}/health",
    "/v1/jobs",
    "/v1/jobs/{}",
    "/v1/jobs/{}/events",
    "/v1/jobs/{}/artifacts/{}",
    "/v1/responses/{}",
    "/v1/responses/{}/input_items",
    "/v1/messages/batches",
    "/api/tags",
    "/api/ps",
    "/api/version",
    "/api/v0/models",
    "/api/v0/models/{}",
    "/api/v1/models",
    "/props",
    "/slots",
    "/v1/queue/stats",
    "/v1/settings",
    "/v1/manager/models",
    "/v1/manager/status",
    "/v1/manager/models/{}/status",
    "/v1/discover/models",
    "/v1/discover/popular",
    "/v1/discover/compatible",
    "/v1/discover/models/{}",
    "/v1/discover/categories",
    "/v1/system/status",
    "/v1/voices",
    "/v1/jobs/{}/request",
    "/v1/jobs/{}/hold",
    "/v1/jobs/{}/move",
    "/v1/jobs/{}/class",
    "/v1/jobs/{}/retry",
    "/v1/files",
    "/v1/files/{}",
    "/v1/files/{}/content",
    "/v1/batches",
    "/v1/batches/{}",
    "/v1/messages/batches/{}",
    "/v1/messages/batches/{}/results",
    "/v1/webhooks/deliveries",
    "/v1/webhooks/deliveries/{}",
    "/v1/usage",
    "/v1/logs",
    "/v1/checks",
    "/v1/workers",
    "/v1/hub/models",
    "/v1/hub/recommended",
    "/page/{}/{}",
    "/openapi.json",
    "/ws/v1/tts",
    "/metrics",
    "/{}",
)
_QUERIES = (
    "limit",
    "after",
    "status",
    "queue",
    "app",
    "wait",
    "loaded",
    "query",
    "sort",
    "max_memory_gb",
    "remove_files",
    "priority",
    "aliases",
    "stream",
    "starting_after",
    "model",
    "fail_on_no_slot",
    "order",
    "after_id",
    "from",
    "to",
    "group_by",
    "format",
    "kind",
    "id",
    "lines",
    "purpose",
    "service_class",
    "category",
    "x",
)
_METHODS = (b"GET", b"HEAD", b"OPTIONS", b"PUT", b"PATCH", b"DELETE", b"POST", b"TRACE", b"get", b"X" * 40)
_TYPES = (
    "application/json",
    "application/json; charset=latin-1",
    "application/json; charset=utf-16",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=x; charset=punycode",
    "multipart/mixed; boundary=x",
    "application/octet-stream",
    "x" * 200,
    "é",
)
_HEADERS = (
    (
        "Origin",
        ("null", "http://evil.example", "é", "http://[::1", "http://127.0.0.1:1", "", "chrome-extension://x"),
    ),
    ("Accept", ("*/*", "text/html", "", "application/json;q=bad", "text/event-stream")),
    ("Accept-Encoding", ("gzip", "br;q=x", "identity;q=0")),
    (
        "Prefer",
        ("respond-async", "wait=1", "wait=-1", "wait=99999999999999999999", "respond-async, wait=٣", ",,,="),
    ),
    ("Range", ("bytes=0-1", "bytes=-0", "bytes=9-1", "bytes=0-1,3-4", "x", "bytes=٣-")),
    ("Last-Event-ID", ("0-0", "x", "99999999999999999999999-1", "-", "1-1\t")),
    ("Idempotency-Key", ("k", "x" * 300, "é", "")),
    ("X-Request-ID", ("a\tb", "x" * 500, "é")),
    ("X-Stainless-Retry-Count", ("1", "-1", "x", "٣")),
    ("X-Forwarded-For", ("1.2.3.4", "::1", "x")),
    ("X-Forwarded-Proto", ("https", "javascript")),
    ("X-Forwarded-Prefix", ("/a", "//evil.example", "é")),
    ("Forwarded", ("for=1.2.3.4;proto=https", '"', 'for="[::1]:1"')),
    ("Authorization", ("Bearer x", "Bearer", "Basic é", "x" * 900)),
    ("X-Api-Key", ("x", "é")),
    ("Anthropic-Version", ("2023-06-01", "")),
    ("Anthropic-Beta", ("a,b", "é")),
    ("User-Agent", ("", "é\x7f", "x" * 900)),
    ("X-Title", ("\u2028", "a\\nb")),
    ("Content-Encoding", ("gzip", "deflate", "br", "zstd", "identity", "x", "gzip, gzip")),
    ("Expect", ("100-continue", "x")),
    ("Upgrade", ("websocket", "h2c")),
    ("Connection", ("upgrade", "close", "keep-alive, upgrade")),
    ("Access-Control-Request-Method", ("POST", "X")),
    ("Access-Control-Request-Headers", ("content-type", "é", "x" * 600)),
    ("Access-Control-Request-Private-Network", ("true",)),
    ("Cookie", ("a=b", "é")),
)
_NAMES = ("tiny-chat", "default", "none", "a/b", "org/none", "job-0", *values.STRINGS[:-1])


@dataclass(frozen=True, slots=True)
class Shot:
    """A request. `malformed`: its head is no HTTP, so that the answer may be plain text, or none."""

    method: str
    path: str
    data: bytes
    malformed: bool = False


def draw(seed: int, number: int) -> Shot:
    """Request `number` of the run with this seed."""
    rng = Random(f"{seed}/{number}")
    if rng.random() < 0.75:
        return _post(rng)
    return _other(rng)


def _post(rng: Random) -> Shot:
    path, make = rng.choice(list(POSTS.items()))
    body: Any = make(rng)
    changes = rng.choice((0, 1, 1, 1, 2, 3))
    file = _FILES.get(path)
    headers = _headers(rng)
    if file is not None and rng.random() < 0.6:
        body.pop(file, None)
        for _ in range(changes):
            body = values.change(rng, body)
        data = bodies.PNG if file == "image" else stores.lines() if path == "/v1/files" else bodies.WAV
        if rng.random() < 0.4:
            data = bodies.bent(rng, data)
        fields = body if isinstance(body, dict) else {"x": body}
        content = bodies.form(fields, {file: data}, "x", rng)
        headers.setdefault("Content-Type", "multipart/form-data; boundary=x")
    else:
        for _ in range(changes):
            body = values.change(rng, body)
        content = values.written(rng, _bounded(path, body))
        headers.setdefault("Content-Type", "application/json")
    if headers.get("Content-Encoding") == "gzip" and rng.random() < 0.7:
        content = gzip.compress(content)
    if rng.random() < 0.1:
        path = path.removeprefix("/v1")
    return _shot(rng, "POST", path, headers, content)


def _other(rng: Random) -> Shot:
    path = rng.choice((*GETS, *POSTS))
    while "{}" in path:
        name = rng.choice(_NAMES)
        path = path.replace("{}", quote(name.encode("utf-8", "surrogatepass"), safe=rng.choice(("", "/"))), 1)
    if rng.random() < 0.4:
        pairs = [
            (rng.choice(_QUERIES), rng.choice((*values.STRINGS[:-1], "1", "10", "-1", "true")))
            for _ in range(rng.randrange(1, 4))
        ]
        path += "?" + "&".join(
            f"{name}={quote(text.encode('utf-8', 'surrogatepass'))}" for name, text in pairs
        )
    method = rng.choice(_METHODS).decode() if rng.random() < 0.4 else "GET"
    if path.startswith("/v1/models/tiny") and method == "DELETE":
        method = "GET"
    if path.startswith(("/v1/jobs/", "/v1/settings/")) and method == "PUT" and rng.random() < 0.5:
        path = "/v1/settings/" + rng.choice(("unknown", "auto_unload", "max_concurrent_models"))
    content = values.written(rng, bodies.setting(rng)) if method in ("PUT", "POST", "PATCH") else b""
    return _shot(rng, method, path, _headers(rng), content)


def _bounded(path: str, body: Any) -> Any:
    """Without what would ask for minutes of work: bounds of tokens and steps that a change took away."""
    if not isinstance(body, dict):
        return body
    if path.startswith("/api/") and not path.startswith("/api/v"):
        options = body.setdefault("options", {})
        if isinstance(options, dict):
            wanted = options.get("num_predict")
            options["num_predict"] = min(wanted, 4) if isinstance(wanted, int) and wanted >= 0 else 2
        return body
    # -1 and nothing mean without a bound in the words of these servers.
    bound = {"/completion": "n_predict", "/api/v0/completions": "max_tokens"}.get(path, "")
    if bound and body.get(bound) in (None, -1, -2):
        body[bound] = 2
    if path.startswith("/api/v0/") and body.get("max_tokens") == -1:
        body["max_tokens"] = 2
    if path == "/v1/messages/batches" and isinstance(body.get("requests"), list):
        for each in body["requests"]:
            if isinstance(each, dict):
                _bounded("/v1/messages", each.get("params"))
        return body
    if path.startswith("/v1/responses"):
        body.setdefault("max_output_tokens", 2)
    for name, most in (
        ("max_output_tokens", 4),
        ("max_tokens", 4),
        ("n_predict", 4),
        ("max_completion_tokens", 4),
        ("steps", 2),
        ("num_inference_steps", 2),
        ("n", 2),
        ("best_of", 2),
    ):
        if isinstance(body.get(name), int) and body[name] > most:
            body[name] = most
    if (
        ("messages" in body or isinstance(body.get("prompt"), str))
        and "max_tokens" not in body
        and "max_completion_tokens" not in body
    ):
        body["max_tokens"] = 2
    return body


def _headers(rng: Random) -> dict[str, str]:
    headers = {}
    if rng.random() < 0.3:
        for name, choices in rng.sample(_HEADERS, rng.randrange(1, 4)):
            headers[name] = rng.choice(choices)
    if rng.random() < 0.05:
        headers["Content-Type"] = rng.choice(_TYPES)
    return headers


def _shot(rng: Random, method: str, path: str, headers: dict[str, str], content: bytes) -> Shot:
    malformed = False
    head = {
        "Host": "127.0.0.1"
        if rng.random() < 0.97
        else rng.choice(("evil.example", "", "é", "127.0.0.1:x", "[::1"))
    }
    version = "HTTP/1.1" if rng.random() < 0.97 else "HTTP/1.0"
    if content or method in ("POST", "PUT", "PATCH"):
        if rng.random() < 0.08:
            head["Transfer-Encoding"] = "chunked"
            content = _chunked(rng, content)
        else:
            head["Content-Length"] = str(len(content))
    if rng.random() < 0.02:
        malformed = True
        path = rng.choice(("", "x y", "/\x00", "http://[", "*", "/" + "a" * 70_000, "//" + path))
    lines = [f"{method} {path} {version}", *(f"{name}: {text}" for name, text in {**head, **headers}.items())]
    if rng.random() < 0.01:
        malformed = True
        lines.insert(
            1,
            rng.choice(
                (
                    "no colon",
                    ": empty",
                    " folded",
                    "X: " + "y" * 70_000,
                    "Content-Length: -1",
                    "Content-Length: 5",
                )
            ),
        )
    raw = "\r\n".join(lines).encode("utf-8", "surrogatepass") + b"\r\n\r\n"
    odd = (
        not method.isupper()
        or len(method) > 20
        or any(not text.isascii() or "\x7f" in text for text in headers.values())
        or "Upgrade" in headers
    )
    return Shot(method, path, raw + content, malformed or odd or not head["Host"])


def _chunked(rng: Random, content: bytes) -> bytes:
    out, at = b"", 0
    while at < len(content):
        size = rng.randrange(1, 4_000)
        piece = content[at : at + size]
        out += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
        at += size
    return out + b"0\r\n\r\n"


def shown(shot: Shot) -> str:
    return json.dumps(shot.data[:1500].decode("latin-1"))

"""The terminal command against a running system, and without one."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlxq.__main__ import main
from tests.support.hub import Hub
from tests.support.ports import free_port
from tests.support.stories import outcome, submit
from tests.support.system import REPO, System


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str, **environment: str) -> Done:
    """The command in this process: starting Python anew for each verb takes longer than the verbs do."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in {"COLUMNS": "150", **environment}.items():
            patch.setenv(name, value)
        code = main(arguments)
    return Done(code, out.getvalue(), err.getvalue())


def mlxq(system: System, *arguments: str) -> str:
    done = run("--url", system.url, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_pull_list_ps_and_rm(fetching: System, hub: Hub) -> None:
    hub.add(
        "org/terminal", {"config.json": b'{"model_type": "qwen3"}', "model.safetensors": os.urandom(300_000)}
    )
    said = mlxq(fetching, "pull", "org/terminal", "--name", "brief")
    assert "Model 'brief' installed successfully (300.0 kB of 300.0 kB fetched)" in said
    assert "300.0/300.0 kB" in said, "the bar has come to its end"
    assert "already installed" in mlxq(fetching, "pull", "org/terminal")
    assert hub.counts()["model.safetensors"] == 1
    listed = next(line for line in mlxq(fetching, "list").splitlines() if "org/terminal" in line)
    assert "300.0 kB" in listed
    fetching.http.post("/v1/models/first/load").raise_for_status()
    assert "first" in mlxq(fetching, "ps")
    assert "Model 'brief' deleted successfully" in mlxq(fetching, "rm", "brief")
    assert "org/terminal" not in mlxq(fetching, "list")


def test_ps_shows_what_is_being_fetched(fetching: System, hub: Hub) -> None:
    hub.add(
        "org/watched", {"config.json": b'{"model_type": "qwen3"}', "model.safetensors": os.urandom(300_000)}
    )
    hub.faults.hold_at = 150_000
    body = {"repo_id": "org/watched", "background": True}
    job_id = fetching.http.post("/v1/models/download", json=body).json()["id"]
    fetching.wait_until(
        lambda: (fetching.job(job_id)["progress"] or {}).get("done", 0) >= 150_000, "no progress is shown"
    )
    line = next(line for line in mlxq(fetching, "ps").splitlines() if "org/watched" in line)
    assert "downloading 5" in line
    hub.go.set()
    assert fetching.http.get(f"/v1/jobs/{job_id}?wait=50").json()["status"] == "completed"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pull", "org/nowhere"], "does not exist on the hub"),
        (["pull", "nameless"], "such as 'org/name'"),
        (["rm", "nothing"], "Model 'nothing' not found"),
    ],
)
def test_what_the_server_refuses_is_said_in_one_line(
    fetching: System, arguments: list[str], words: str
) -> None:
    # The address may stand on both sides of the verb.
    done = run(*arguments, "--url", fetching.url)
    assert done.returncode == 1
    assert done.stdout.strip() == "", "no bar of a download that never was"
    assert done.stderr.startswith("mlxq: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_list_works_without_a_server_and_the_others_say_what_is_missing(tmp_path: Path) -> None:
    nowhere = {
        "PORT": str(free_port()),
        "MLXQ_DATA_DIR": str(tmp_path),
        "HF_HUB_CACHE": str(tmp_path / "hub"),
    }
    listed = subprocess.run(
        [sys.executable, "-m", "mlxq", "list"],
        cwd=REPO,
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "tiny-chat" in listed.stdout
    for arguments in (["ps"], ["pull", "org/name"], ["rm", "tiny-chat"]):
        done = run(*arguments, **nowhere)
        assert done.returncode == 1
        assert "no server answers" in done.stderr


def test_the_stored_prompts_are_deleted_without_a_server(tmp_path: Path) -> None:
    stored = tmp_path / "prompt_cache" / "model" / "a.safetensors"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"x" * 2_000_000)
    assert "2.0 MB of prompts are deleted" in run("clear-cache", MLXQ_DATA_DIR=str(tmp_path)).stdout
    assert not stored.exists()
    assert "0 B of prompts are deleted" in run("clear-cache", MLXQ_DATA_DIR=str(tmp_path)).stdout


def test_the_queue_is_paused_and_its_jobs_change_places(system: System) -> None:
    assert "Paused: llm." in mlxq(system, "pause", "llm")
    first, second = (submit(system, text, max_tokens=2) for text in ("first", "second"))
    assert mlxq(system, "move", second) == f"{second}: normal, place 1, the queue llm is paused\n"
    # What reads a pipe does not care how wide the terminal is, and people leave out the scheme.
    listed = run("queue", "--url", system.url.removeprefix("http://"), COLUMNS="40").stdout
    assert listed.index(second) < listed.index(first)
    assert "background, place 2" in mlxq(system, "rank", first, "background")
    assert "no place, it is held" in mlxq(system, "hold", first)
    assert "Nothing is paused." in mlxq(system, "resume")
    assert outcome(system, second)["status"] == "completed"
    mlxq(system, "release", first)
    assert outcome(system, first)["status"] == "completed"


def test_usage_is_shown_as_a_table_and_as_csv(system: System) -> None:
    assert outcome(system, submit(system, "counted", max_tokens=2))["status"] == "completed"
    head, *rows = mlxq(system, "usage").splitlines()
    assert head.split()[:4] == ["DAY", "APP", "MODEL", "REQUESTS"]
    assert any("first" in row for row in rows)
    assert rows[-1].startswith("all ")
    table = mlxq(system, "usage", "--by", "model", "--csv").splitlines()
    assert table[0].startswith("model,requests,completed,")
    assert any(row.startswith("first,") for row in table)
    done = run("usage", "--by", "shoe", "--url", system.url)
    assert (done.returncode, "'shoe'" in done.stderr) == (1, True)


def test_deliveries_of_webhooks_are_listed_and_made_again(system: System) -> None:
    job_id = submit(system, "told", max_tokens=2, webhook="https://hooks.invalid/secret-path")
    delivery = f"evt_{job_id}"

    def row() -> str:
        # What reads a pipe does not care how wide the terminal is.
        lines = run("webhooks", "--job", job_id, "--url", system.url, COLUMNS="40").stdout.splitlines()
        return next((line for line in lines if delivery in line), "")

    system.wait_until(lambda: "retrying" in row(), "the attempt is not listed")
    assert "job.completed" in row()
    assert "https://hooks.invalid" in row()
    assert "its host has no public address" in row()
    assert "secret" not in mlxq(system, "webhooks")
    assert delivery in mlxq(system, "redeliver", delivery)
    system.wait_until(lambda: row().split()[4:5] == ["2"], "it is not tried again")
    refused = run("redeliver", "evt_nothing", "--url", system.url)
    assert (refused.returncode, "No delivery" in refused.stderr) == (1, True)

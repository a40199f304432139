"""Reads the command line, and says what went wrong in one line. A verb imports what it needs when it is called."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from config import VERSION
from mlxq.cli.agents import AGENTS
from mlxq.cli.queue_verbs import add_verbs
from mlxq.cli.serve import serve
from mlxq.cli.usage_verb import add_usage
from mlxq.cli.webhook_verbs import add_webhook_verbs
from mlxq.cli.worker_verbs import add_join_option, add_worker_verbs
from mlxq.launch.names import NAMES


def parser() -> argparse.ArgumentParser:
    address = argparse.ArgumentParser(add_help=False)
    # A default of the verb's would take the place of what stands before the verb.
    address.add_argument(
        "--url",
        default=argparse.SUPPRESS,
        help="address of the server; by default HOST and PORT of the environment",
    )
    program = argparse.ArgumentParser(
        prog="mlxq", description="One queue for all the AI on a Mac.", parents=[address]
    )
    program.add_argument("--version", action="version", version=f"mlxq {VERSION}")
    verbs = program.add_subparsers(dest="verb", required=True, metavar="VERB")
    one = verbs.add_parser("serve", help="start Redis, the API and the worker; Ctrl-C ends them")
    one.add_argument("part", nargs="*", choices=[*NAMES, []], help="only these: redis, api, worker")
    one.add_argument("--host", help="address to listen on, instead of HOST")
    one.add_argument("--port", type=int, help="port to listen on, instead of PORT")
    add_join_option(one)
    one = verbs.add_parser("pull", help="fetch a model from its hub", parents=[address])
    one.add_argument("model", help="its name on the hub, org/name")
    one.add_argument("--name", help="what it shall be called, too")
    one = verbs.add_parser("rm", help="delete a model", parents=[address])
    one.add_argument("model")
    one.add_argument("--keep-files", action="store_true", help="only forget it")
    verbs.add_parser(
        "list", aliases=["ls"], help="what is installed; works without a server, too", parents=[address]
    )
    verbs.add_parser(
        "clear-cache", help="delete the prompts of the cache on the disk; works without a server, too"
    )
    one = verbs.add_parser(
        "launch",
        help="start a coding agent that uses the server; without a name, list the agents",
        usage="mlxq launch [AGENT] [--model MODEL] [--print [--with-key]] [--url URL] [-- ARGUMENTS]",
        epilog="ARGUMENTS are those of the agent.",
        parents=[address],
    )
    one.add_argument("agent", nargs="?", choices=list(AGENTS), metavar="AGENT", help=", ".join(AGENTS))
    one.add_argument("--model", help="the chat model, instead of the server's default")
    one.add_argument("--print", action="store_true", dest="shown", help="only show what would be set")
    one.add_argument("--with-key", action="store_true", help="show the key, too")
    verbs.add_parser("top", help="what runs and waits, live; keys change it", parents=[address])
    verbs.add_parser("ps", help="what is in memory, and what is being fetched", parents=[address])
    one = verbs.add_parser("convert", help="make a model of the files of GPT-SoVITS; needs no server")
    one.add_argument("family", choices=["gpt-sovits"])
    one.add_argument("folder", type=Path, help="the folder that is made, in one of the model roots")
    one.add_argument("--gpt", type=Path, required=True, help="its GPT weights, a .ckpt")
    one.add_argument("--sovits", type=Path, required=True, help="its SoVITS weights, a .pth")
    one.add_argument("--hubert", type=Path, required=True, help="the folder of chinese-hubert-base")
    one.add_argument("--bert", type=Path, required=True, help="the folder of chinese-roberta-wwm-ext-large")
    one.add_argument("--dictionary", type=Path, help="English pronunciations: its text/cmudict.rep")
    add_verbs(verbs, address)
    add_worker_verbs(verbs, address)
    add_usage(verbs, address)
    add_webhook_verbs(verbs, address)
    return program


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 when something went wrong, 130 after Ctrl-C."""
    own, rest = _split(sys.argv[1:] if arguments is None else arguments)
    reading = parser()
    wanted = reading.parse_args(own)
    if rest and wanted.verb != "launch":
        reading.error(f"{wanted.verb} takes no arguments behind --")
    if wanted.verb == "serve":
        serve(wanted.part, wanted.host, wanted.port, wanted.join)

    from config.settings import load_settings
    from mlxq.cli.commands import clear_cache, convert, list_models, processes, pull, remove
    from mlxq.cli.launch import launch
    from mlxq.cli.queue import actions
    from mlxq.cli.server import Problem, Server
    from mlxq.cli.usage import usage
    from mlxq.cli.webhooks import webhook_actions
    from mlxq.cli.workers import worker_actions

    def top(server: Server) -> None:
        # A library that no other verb needs.
        from mlxq.cli.top.screen import top as show

        show(server)

    settings = load_settings()
    verbs: dict[str, Callable[[Server], None]] = {
        "pull": lambda server: pull(server, wanted.model, wanted.name),
        "rm": lambda server: remove(server, wanted.model, keep_files=wanted.keep_files),
        "list": lambda server: list_models(server, settings),
        "ls": lambda server: list_models(server, settings),
        "ps": processes,
        "top": top,
        "launch": lambda server: launch(
            server,
            settings,
            wanted.agent,
            rest,
            model=wanted.model,
            shown=wanted.shown,
            with_key=wanted.with_key,
        ),
        "usage": lambda server: usage(server, wanted),
        "clear-cache": lambda _: clear_cache(settings),
        "convert": lambda _: convert(
            wanted.gpt,
            wanted.sovits,
            wanted.hubert,
            wanted.bert,
            wanted.dictionary,
            target=wanted.folder,
        ),
        **actions(wanted),
        **webhook_actions(wanted),
        **worker_actions(wanted, settings),
    }
    try:
        with Server(settings, getattr(wanted, "url", None)) as server:
            verbs[wanted.verb](server)
    except Problem as problem:
        print(f"mlxq: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The arguments before the first `--` and those behind it."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:place], arguments[place + 1 :]

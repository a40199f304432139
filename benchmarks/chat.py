"""mlxq against `mlx_lm.server` and the bare `BatchGenerator`: the same model and work, in turns, in one run.

    python -m benchmarks.chat [--model PATH] [--rounds 5] [--quick] [--json FILE] [--against CHECKOUT]

Every round starts each server afresh (A B, then B A), measures its start, its memory and all scenarios, and
ends it. The default model has random weights and about 20 M parameters; a smaller one shows overheads larger
than life. With `--against`, mlxq of another checkout stands in the place of `mlx_lm.server`: before against after.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

import uvloop

from benchmarks import load, model, preload, report
from benchmarks.server import MLX_LM, MLXQ, Kind, checkout, running


def main() -> None:
    args = _arguments()
    signal.signal(signal.SIGTERM, _interrupt)
    with tempfile.TemporaryDirectory(prefix="mlxq-bench-model-") as scratch:
        folder = Path(scratch) / "model"
        if args.model:
            model.endless(args.model.resolve(), folder)
        else:
            model.random_qwen3(folder, model.TINY if args.tiny else model.BIG)
        blas = args.preload or preload.find()
        print(_conditions(args, folder, blas), flush=True)
        other = checkout(args.against) if args.against else MLX_LM
        kinds = [kind for kind in (MLXQ, other) if not args.only or kind.name in args.only]
        rounds: list[report.Round] = []
        try:
            for number in range(args.rounds):
                rounds.append({})
                _round(number, kinds, args, folder, preload.environment(blas), rounds[-1])
                if args.json:
                    args.json.write_text(
                        json.dumps({"model": str(args.model or "random"), "rounds": rounds}, indent=1)
                    )
        except KeyboardInterrupt:
            print("interrupted: the table holds what there is")
        print(report.table(rounds, other.name))


def _round(
    number: int,
    kinds: list[Kind],
    args: argparse.Namespace,
    folder: Path,
    blas: dict[str, str],
    found: report.Round,
) -> None:
    """One round: each participant once, the order turned every other round; fills `found`."""
    participants: list[Kind | None] = [*kinds, None]
    for kind in participants if number % 2 == 0 else participants[::-1]:
        name = kind.name if kind else report.LIMIT
        print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
        if kind:
            found[name] = _measure(kind, args, folder, blas, str(number))
        else:
            found[name] = _bare(args, folder, blas, str(number))


def _measure(
    kind: Kind, args: argparse.Namespace, folder: Path, blas: dict[str, str], seed: str
) -> dict[str, float]:
    with running(kind, folder, blas) as server:
        found = {"start to first answer s": server.first_answer}
        memory = server.memory()
        found |= {"RSS after the first answer MB": memory.rss}
        client_cpu = 0.0
        for scenario in (load.WARM_UP, *load.SCENARIOS):
            scenario = load.quick(scenario) if args.quick else scenario
            done = uvloop.run(load.run(server.base_url, server.model, scenario, seed))
            if done.errors:
                print(
                    f"{kind.name}, {scenario.name}: {len(done.errors)} errors: {done.errors[0]}", flush=True
                )
            if scenario.name != load.WARM_UP.name:
                found |= load.figures(done)
                client_cpu = max(client_cpu, done.client_cpu)
        memory = server.memory()
        weights = model.weight_bytes(folder) / 1e6
        found |= {
            "RSS after the load MB": memory.rss,
            "PSS after the load MB": memory.pss,
            "PSS after the load less the weights MB": memory.pss - weights,
            "client, CPU share at most": client_cpu,
        }
        if args.verbose:
            print(kind.name, json.dumps(memory.by_process), file=sys.stderr)
    return found


def _bare(args: argparse.Namespace, folder: Path, blas: dict[str, str], seed: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.bare", "--model", str(folder), "--seed", seed]
    done = subprocess.run(
        command + ["--quick"] * args.quick,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **blas},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _conditions(args: argparse.Namespace, folder: Path, blas: str) -> str:
    config = json.loads((folder / "config.json").read_text())
    name = args.model.name if args.model else "random weights"
    size = f"{config['num_hidden_layers']} layers, width {config['hidden_size']}"
    if sys.platform != "linux":
        loaded = "Metal"
    elif blas:
        loaded = "OpenBLAS preloaded for all, 1 thread"
    else:
        loaded = "no OpenBLAS to be had: batching gains little"
    return (
        f"Model: {name}, {size}, {model.weight_bytes(folder) / 1e6:.0f} MB. "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load average "
        f"{os.getloadavg()[0]:.1f} at the start. {loaded}. {args.rounds} rounds{', quick' * args.quick}.\n"
    )


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="a checkpoint; a copy without an end token is measured")
    parser.add_argument("--tiny", action="store_true", help="random weights, 1 M parameters")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a third of the requests: to try things out")
    parser.add_argument(
        "--only", nargs="*", choices=[MLXQ.name, MLX_LM.name], help="servers to measure, if not both"
    )
    parser.add_argument("--against", type=Path, help="another checkout, instead of mlx_lm.server")
    parser.add_argument(
        "--preload", default="", help="value for LD_PRELOAD (Linux); else OpenBLAS is looked for"
    )
    parser.add_argument("--json", type=Path, help="write every round's figures to this file")
    parser.add_argument("--verbose", action="store_true", help="memory of each process")
    return parser.parse_args()


if __name__ == "__main__":
    main()

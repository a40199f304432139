"""What Prometheus is told, from the counts in Redis, the queues and the states of workers.

All API processes tell the same: each figure is that of the whole installation. Labels are kinds, queues, routes of
the API and models in memory, all of which are bounded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from config import VERSION
from jobs.info import QueueStats
from jobs.metrics import BOUNDS, FIRST, HTTP, JOBS, MADE, RUN, WAIT, WEBHOOKS, Counts
from jobs.worker_state import WorkerState

_EDGES = (*(f"{bound / 1000:g}" for bound in BOUNDS), "+Inf")


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What is told of, at one moment."""

    counts: Counts
    queues: Mapping[str, QueueStats]
    workers: Sequence[WorkerState]
    memory_short: bool

    def collect(self) -> Iterator[Metric]:
        """For a registry of prometheus_client."""
        build = GaugeMetricFamily("mlxq_build_info", "The version of the server.", labels=["version"])
        build.add_metric([VERSION], 1)
        yield build
        yield from self._queues()
        yield from self._counted()
        yield from self._timed()
        yield from self._workers()

    def describe(self) -> list[Metric]:
        return []

    def _queues(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("mlxq_queue_jobs", "Jobs in a queue, by state.", labels=["queue", "state"])
        for name, queue in self.queues.items():
            for state in ("waiting", "running", "lingering"):
                jobs.add_metric([name, state], getattr(queue, state))
        yield jobs

    def _counted(self) -> Iterator[Metric]:
        ended = CounterMetricFamily("mlxq_jobs", "Jobs that have ended.", labels=["kind", "outcome"])
        for labels, number in self.counts.of(JOBS, 2).items():
            ended.add_metric(labels, number)
        yield ended
        made = self.counts.of(MADE, 2)
        tokens = CounterMetricFamily(
            "mlxq_tokens", "Tokens of jobs that have ended.", labels=["kind", "type"]
        )
        cache = CounterMetricFamily(
            "mlxq_prompts", "Prompts, by whether a cache had their beginning.", labels=["kind", "cache"]
        )
        steps = CounterMetricFamily("mlxq_image_steps", "Denoising steps of images.")
        images = CounterMetricFamily("mlxq_images", "Images that were made.")
        audio = CounterMetricFamily(
            "mlxq_audio_seconds", "Seconds of audio that were heard or made.", labels=["kind"]
        )
        for (kind, what), number in made.items():
            match what:
                case "prompt_tokens" | "completion_tokens" | "cached_tokens":
                    tokens.add_metric([kind, what.removesuffix("_tokens")], number)
                case "prompts_with_cache" | "prompts_without_cache":
                    cache.add_metric([kind, "hit" if what == "prompts_with_cache" else "miss"], number)
                case "audio_milliseconds":
                    audio.add_metric([kind], number / 1000)
        images.add_metric([], made.get(("image", "images"), 0))
        steps.add_metric([], made.get(("image", "steps"), 0))
        yield from (tokens, cache, images, steps, audio)
        requests = CounterMetricFamily(
            "mlxq_http_requests", "HTTP requests that have ended.", labels=["method", "route", "status"]
        )
        for labels, number in self.counts.of(HTTP, 3).items():
            requests.add_metric(labels, number)
        yield requests
        webhooks = CounterMetricFamily(
            "mlxq_webhook_attempts",
            "Attempts to deliver webhooks, and events that were left out (dropped).",
            labels=["outcome"],
        )
        for labels, number in self.counts.of(WEBHOOKS, 1).items():
            webhooks.add_metric(labels, number)
        yield webhooks

    def _timed(self) -> Iterator[Metric]:
        for name, metric, label, help_text in (
            (WAIT, "mlxq_job_wait_seconds", "queue", "Time from the submission of a job to its start."),
            (RUN, "mlxq_job_run_seconds", "kind", "Time that completed jobs ran."),
            (FIRST, "mlxq_time_to_first_token_seconds", "kind", "Time from submission to the first token."),
        ):
            family = HistogramMetricFamily(metric, help_text, labels=[label])
            for value, times in self.counts.times(name).items():
                sums, running = [], 0
                for edge, number in zip(_EDGES, times.buckets, strict=True):
                    running += number
                    sums.append((edge, float(running)))
                family.add_metric([value], sums, times.total / 1000)
            yield family

    def _workers(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("mlxq_workers", "Workers that live.", value=len(self.workers))
        yield GaugeMetricFamily(
            "mlxq_redis_memory_short", "1 while Redis' memory is short.", value=int(self.memory_short)
        )
        models = GaugeMetricFamily(
            "mlxq_model_memory_bytes", "Memory of a model.", labels=["worker", "category", "model"]
        )
        memory = GaugeMetricFamily("mlxq_mlx_memory_bytes", "MLX' memory.", labels=["worker", "type"])
        for worker in self.workers:
            for category, slots in worker.slots.items():
                for slot in slots:
                    if slot.present and slot.memory_bytes is not None:
                        models.add_metric([worker.name, category, slot.present], slot.memory_bytes)
            for kind in ("active", "peak", "cache"):
                memory.add_metric([worker.name, kind], getattr(worker.memory, kind))
        yield from (models, memory)

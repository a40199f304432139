"""Every Redis key and channel, and nothing else. `rq:` keys are RQ's own layout (pinned by `rq==2.12.*`)."""

#: All known queues (RQ).
QUEUES = "rq:queues"
#: All live workers (RQ).
WORKERS = "rq:workers"
#: Every accepted job by the millisecond of its submission, for listing.
JOBS = "mlxq:jobs"
#: Channel on which workers are told about cancellations.
COMMANDS = "mlxq:commands"
#: Questions for tokens, until a worker answers them.
QUESTIONS = "mlxq:questions"
#: Files that no job needs any more, until a worker deletes them.
GARBAGE = "mlxq:garbage"
#: There while Redis' memory is short, and for a minute after.
MEMORY_SHORT = "mlxq:memory-short"
#: Live worker processes (each holds a `worker_state` that expires with its last beat).
WORKER_STATES = "mlxq:workers"
#: Settings that were changed while mlxq ran: key → value (JSON).
SETTINGS = "mlxq:settings"
#: Of each model by its id: its number, and the last one that was given.
MODEL_NUMBERS = "mlxq:models:numbers"
LAST_MODEL_NUMBER = "mlxq:models:last-number"
#: Jobs that ran on it, the millisecond in which the last one began, and why it could not be loaded.
MODEL_USES = "mlxq:models:uses"
MODEL_USED = "mlxq:models:used"
MODEL_ERRORS = "mlxq:models:errors"
#: The queues that are paused, as `all`, a category or `category:class`: name → since when (Unix seconds).
PAUSED = "mlxq:paused"
#: There while a worker starts no jobs of the background, by its policy (expires with its last beat).
RESTING = "mlxq:resting"
#: Names that users gave to models: name → id.
MODEL_NAMES = "mlxq:models:names"
#: Aliases that requests made: name → the model and defaults of parameters (JSON).
MODEL_ALIASES = "mlxq:models:aliases"

#: Keys with which workers of other machines join: id → JSON (mlxq/gateway/join_keys.py).
JOIN_KEYS = "mlxq:join-keys"
#: Channel on which the gateway is told the ids of keys that were revoked.
GATEWAY = "mlxq:gateway"
#: Machines whose workers were not let in, as their version does not fit (expires).
REFUSED = "mlxq:refused"
#: Workers of other machines, and until when (Unix seconds) it is not known that they have died.
JOINED = "mlxq:joined"

#: The last lines of the logs of all processes, a stream.
LOGS = "mlxq:logs"
#: The recording that a client of OminiX has loaded as the voice of requests that name none: its path.
LOADED_VOICE = "mlxq:loaded-voice"

#: Counts of jobs, tokens, times and requests (jobs/metrics.py).
METRICS = "mlxq:metrics"
#: Seconds that the local time of the API is ahead of UTC, for the days of usage (jobs/usage.py).
USAGE_OFFSET = "mlxq:usage-offset"

#: Deliveries of webhooks by the millisecond of their creation.
DELIVERIES = "mlxq:deliveries"

#: Stored files by the millisecond of their creation, and those that expire by the second in which they do.
STORED_FILES = "mlxq:stored-files"
EXPIRING_FILES = "mlxq:expiring-files"
#: Blobs of stored files and of batches: how many of them need each.
STORED_BLOBS = "mlxq:stored-blobs"
#: Batches that have not ended by the millisecond of their creation, and ended ones by the second of their end.
OPEN_BATCHES = "mlxq:open-batches"
ENDED_BATCHES = "mlxq:ended-batches"

#: What machines have learned of models (jobs/eta): "machine model" → JSON.
PACES = "mlxq:models:learned"
#: By how much estimates were wrong: "category|state|how far" → the logarithm of what they are multiplied with.
CORRECTIONS = "mlxq:models:corrections"


#: Channel on which all API processes are told what they may have to do: "webhooks" or "batches".
NEWS = "mlxq:bus:news"


def bus(process: str) -> str:
    """Channel on which an API process gets the events of the jobs that it watches."""
    return f"mlxq:bus:{process}"


def api_process(process: str) -> str:
    """There while an API process lives (expires with its last beat)."""
    return f"mlxq:api:{process}"


def job(job_id: str) -> str:
    return f"rq:job:{job_id}"


def results(job_id: str) -> str:
    return f"rq:results:{job_id}"


def queue(name: str) -> str:
    """Of a category: jobs that RQ's own tools have queued again. They join their lines with the next look."""
    return f"rq:queue:{name}"


def line(category: str, service_class: str, app: str) -> str:
    """Where the jobs of an app wait, of one class and category: a queue for RQ."""
    return f"rq:queue:{category}:{service_class}:{app}"


def lines(category: str, service_class: str) -> str:
    """The lines that have jobs: app → the virtual second in which its next job starts."""
    return f"mlxq:lines:{category}:{service_class}"


def shares(category: str, service_class: str) -> str:
    """The virtual second up to which each app has had its share."""
    return f"mlxq:shares:{category}:{service_class}"


def waiting(category: str, service_class: str) -> str:
    """All jobs in the lines of a class, scored by the millisecond since which they wait."""
    return f"mlxq:waiting:{category}:{service_class}"


def turns(category: str) -> str:
    """The virtual clock of each class, and how long jobs usually run."""
    return f"mlxq:turns:{category}"


def bell(category: str) -> str:
    """There while jobs may wait that can be taken."""
    return f"mlxq:bell:{category}"


def intermediate(name: str) -> str:
    """Jobs that a lane has taken off the queue and not yet claimed."""
    return f"rq:queue:{name}:intermediate"


def intermediate_seen(name: str) -> str:
    """When a job was first seen unclaimed in the intermediate list."""
    return f"mlxq:seen:{name}"


def started(name: str) -> str:
    """Running executions `job:execution`, scored by the end of their lease (RQ's StartedJobRegistry)."""
    return f"rq:wip:{name}"


def finished(name: str) -> str:
    return f"rq:finished:{name}"


def failed(name: str) -> str:
    return f"rq:failed:{name}"


def cancelled(name: str) -> str:
    return f"rq:canceled:{name}"


def expired(name: str) -> str:
    """Those of them that expired, with the same scores: RQ does not tell them apart."""
    return f"mlxq:expired:{name}"


def deferred(name: str) -> str:
    """Jobs that wait for another one, scored by their submission (RQ's DeferredJobRegistry)."""
    return f"rq:deferred:{name}"


def scheduled(name: str) -> str:
    """Jobs that wait for their time, scored by it (RQ's ScheduledJobRegistry)."""
    return f"rq:scheduled:{name}"


def dependents(job_id: str) -> str:
    """The jobs that wait for the end of this one (RQ)."""
    return f"rq:job:{job_id}:dependents"


def execution(job_id: str, execution_id: str) -> str:
    return f"rq:execution:{job_id}:{execution_id}"


def executions(job_id: str) -> str:
    return f"rq:executions:{job_id}"


def worker(name: str) -> str:
    return f"rq:worker:{name}"


def events(job_id: str) -> str:
    """The stream of everything the job has emitted."""
    return f"mlxq:events:{job_id}"


def files(job_id: str) -> str:
    """The files that the job made on its way: number → "blob content-type"."""
    return f"mlxq:files:{job_id}"


def watchers(job_id: str) -> str:
    """The API processes that a job's events are published to."""
    return f"mlxq:watchers:{job_id}"


def idempotency(scope: str) -> str:
    """Which job an `Idempotency-Key` (of one caller) stands for."""
    return f"mlxq:idempotency:{scope}"


def same(fingerprint: str) -> str:
    """The jobs that the last identical requests of the same caller became, the newest last."""
    return f"mlxq:same:{fingerprint}"


def lingering(name: str) -> str:
    """Jobs of a queue whose last client has left, scored by the second in which they end."""
    return f"mlxq:lingering:{name}"


def worker_state(name: str) -> str:
    """What a worker process says of itself at each beat (JSON, expires)."""
    return f"mlxq:worker:{name}"


def commands(worker_name: str) -> str:
    """Channel on which a worker of another machine is told what concerns it of `COMMANDS`."""
    return f"mlxq:commands:{worker_name}"


def questions(worker_name: str) -> str:
    """Questions that only this worker of another machine can answer (expires)."""
    return f"mlxq:questions:{worker_name}"


def joined(worker_name: str) -> str:
    """The id of the key with which a worker of another machine has joined (expires)."""
    return f"mlxq:joined:{worker_name}"


def inventory(worker_name: str) -> str:
    """The cards of the models that a worker has (JSON), by their ids (expires)."""
    return f"mlxq:inventory:{worker_name}"


def machines(category: str) -> str:
    """What each worker has of a category and whether it has time, as of its last look (jobs/gate/machines.lua)."""
    return f"mlxq:machines:{category}"


def prefix(digest: str) -> str:
    """The worker that has read a chat with this beginning (expires)."""
    return f"mlxq:prefix:{digest}"


def answers(token: str) -> str:
    """What workers answered to an order of the API (expires)."""
    return f"mlxq:answers:{token}"


def tool_call(name: str) -> str:
    """The job that a call of a tool became (expires)."""
    return f"mlxq:call:{name}"


def waits(name: str) -> str:
    """The last waits of a queue in milliseconds, newest first."""
    return f"mlxq:waits:{name}"


def runs(name: str) -> str:
    """How long the last jobs of a queue ran, newest first: "milliseconds model"."""
    return f"mlxq:runs:{name}"


def workers_of(queue_name: str) -> str:
    """The workers that listen to a queue (RQ)."""
    return f"rq:workers:{queue_name}"


def usage(day: int) -> str:
    """What jobs used on a day, counted from 1970-01-01: a row → its figures. It expires after a year."""
    return f"mlxq:usage:{day}"


def file(file_id: str) -> str:
    """The record of a stored file."""
    return f"mlxq:file:{file_id}"


def file_parts(file_id: str) -> str:
    """The blobs that a stored file consists of, in order: "blob size"."""
    return f"mlxq:file-parts:{file_id}"


def batches(dialect: str) -> str:
    """The batches of a dialect by the millisecond of their creation."""
    return f"mlxq:batches:{dialect}"


def batch(batch_id: str) -> str:
    """The record of a batch."""
    return f"mlxq:batch:{batch_id}"


def batch_requests(batch_id: str) -> str:
    """The requests of a batch that were begun and whose outcomes are not written: number → JSON."""
    return f"mlxq:batch-requests:{batch_id}"

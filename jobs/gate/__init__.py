"""The gate: every change of a job's state, each an atomic Lua script in Redis.

`AsyncGate` is the API's side, `Gate` the worker's. The scripts write RQ's own data model, so that RQ's tools tell
the truth; `tests/jobs/test_rq_contract.py` pins it. Redis' clock, not the machine's, decides about leases and expiry.
"""

from jobs.gate.affinity import Favour, ModelAffinity, Room, Seat, any_model
from jobs.gate.consumer import BEAT, LEASE, PATIENCE, Emission, Ending, Gate
from jobs.gate.last_step import LastStep
from jobs.gate.producer import Admission, AsyncGate, Change, Parting
from jobs.gate.scripts import Ttl, iso_now
from jobs.gate.taker import AGING

__all__ = [
    "AGING",
    "BEAT",
    "LEASE",
    "PATIENCE",
    "Admission",
    "AsyncGate",
    "Change",
    "Emission",
    "Ending",
    "Favour",
    "Gate",
    "LastStep",
    "ModelAffinity",
    "Parting",
    "Room",
    "Seat",
    "Ttl",
    "any_model",
    "iso_now",
]

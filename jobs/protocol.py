"""What two machines must have in common to share a queue: the meaning of payloads, results, events and scripts.

A worker that joins another machine's server tells its own; the server refuses one that differs from its own.
"""

import hashlib

from jobs.gate.scripts import script

#: Changed by hand when payloads, results, events or keys change their meaning.
PROTOCOL = 1
#: The scripts that a joined worker runs. A change of one changes the protocol by itself.
SCRIPTS = ("beat", "choose", "claim", "emit", "finish", "put_back", "release", "yield")


def protocol() -> str:
    """Equal where both sides understand each other."""
    digest = hashlib.sha256("".join(script(name)[1] for name in SCRIPTS).encode()).hexdigest()
    return f"{PROTOCOL}-{digest[:12]}"

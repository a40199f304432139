"""The function that jobs name, because RQ requires one. Lanes run the jobs; a plain `rq worker` must not."""

from typing import Any, NoReturn


def run(**arguments: Any) -> NoReturn:
    """Refuse: only a process that holds the model slots can run the job."""
    raise RuntimeError(
        f"mlxq jobs ({arguments.get('kind')}) are run by `python -m worker`, not by `rq worker`"
    )

"""The limit of open files of a process. macOS starts programs with 256, of which each connection takes one."""

import resource

_WANTED = 10_240


def allow_many_files() -> None:
    """Raise the soft limit as far as the hard one allows, to 10,240 at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

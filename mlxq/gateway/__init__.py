"""The gateway: where workers of other machines join, and all that they may ask of this one.

It is a process of its own, which runs where JOIN_PORT is set. It ends TLS, knows keys and sessions, and lets through
what a worker needs: Redis by a filter, blobs and its settings by HTTPS. Redis itself stays closed.
"""

"""Webhooks: who is told of the end of a job or batch, and the deliveries of these events as RQ jobs.

A delivery is made by the script that ends the job (`jobs/gate/announce.lua`), in the same step. Every other change of
one is a script of this package, called by `store.py`. Nothing here knows HTTP.
"""

from jobs.webhooks.hook import Family, Webhook

__all__ = ["Family", "Webhook"]

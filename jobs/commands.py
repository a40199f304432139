"""What all workers are told on the channel of commands, beside cancellations and changed settings."""

#: Drain, and end for good.
SHUTDOWN = "shutdown"
#: Drain, and start anew.
RESTART = "restart"
#: A download was queued: somebody has to fetch it.
DOWNLOAD = "download"
#: Somebody asks what a tokenizer knows (`jobs/questions.py`).
QUESTION = "question"
#: What the models of each machine are asked (`jobs/orders.py`).
ORDER = "order"

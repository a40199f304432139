"""What all workers are told on the channel of commands, beside cancellations and changed settings."""

#: Drain, and end for good.
SHUTDOWN = "shutdown"
#: Drain, and start anew.
RESTART = "restart"
#: A download was queued: somebody has to fetch it.
DOWNLOAD = "download"
#: Somebody asks what a tokenizer knows (`jobs/questions.py`).
QUESTION = "question"
#: What runs of a queue goes back to it: `all`, a category or `category:class` (`jobs/queue/control.py`).
GIVE_BACK = "give-back"
#: An interactive job has come into this category, where others wait already.
CAME = "came"
#: What the models of each machine are asked (`jobs/models/orders.py`).
ORDER = "order"

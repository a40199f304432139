"""What all workers are told on the channel of commands, beside cancellations and changed settings."""

#: Drain, and end for good.
SHUTDOWN = "shutdown"
#: Drain, and start anew.
RESTART = "restart"

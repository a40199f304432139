"""What the API and the worker share: the contract of a job and the queue it travels through."""

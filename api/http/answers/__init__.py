"""How a request is answered: errors, JSON, streams, warnings, and a client that leaves before."""

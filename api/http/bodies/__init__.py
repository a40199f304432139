"""The bodies of requests: from compressed bytes, JSON or a form to a validated value, within bounds."""

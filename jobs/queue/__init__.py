"""Jobs that wait: in which order, what for, and what users change of it."""

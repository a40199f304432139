"""Stories of several machines."""

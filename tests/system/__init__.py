"""Stories of all processes together."""

"""Pictures: from what is asked to a job, and from its events to what OpenAI's clients expect."""

"""From a validated request to a job and back: submission, waiting, the job object, artifacts, renderers."""

"""Why something could not be fetched. `fetch` itself, with its HTTP client, is imported on first use."""


class FetchError(Exception):
    """The message is for the client. It contains only what the client sent."""


class TooLarge(FetchError):
    """The content is larger than the limit."""

"""The dialect of Responses: errors are OpenAI's; jobs are answered as responses, not as chat completions."""

from api.openai.dialect import OpenAi
from jobs.errors import NotFound

RESPONSES = OpenAi("openai-responses")

#: How ids of responses begin. They are ids of jobs.
PREFIX = "resp_"


class ResponseNotFound(NotFound):
    """There is no such response, or it was not stored."""

    code = "response_not_found"

    def __init__(self, response_id: str) -> None:
        super().__init__(f"Response with id '{response_id[:100]}' not found.")

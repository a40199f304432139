"""The client of the hub, by huggingface_hub. Its import is slow, so that this module is imported on first use.

Whatever goes wrong is one of this server's errors.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from huggingface_hub import HfApi, set_client_factory
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
)
from huggingface_hub.hf_api import ModelInfo

from api.models.search import PATIENCE, Search
from config import VERSION
from config.settings import Settings
from jobs.errors import HubUnavailable, ModelNotFound

#: What mlxq wants to know of each model of a list.
_FIELDS: Any = [
    *("author", "createdAt", "downloads", "lastModified", "library_name", "likes"),
    *("pipeline_tag", "safetensors", "tags", "trendingScore", "usedStorage"),
]
_ONE: Any = [*_FIELDS, "gated"]


class HubClient:
    """Blocks; may be used by several threads."""

    def __init__(self, settings: Settings) -> None:
        token = settings.hf_token.get_secret_value() if settings.hf_token else None
        self._api = HfApi(
            endpoint=settings.hf_endpoint, token=token, library_name="mlxq", library_version=VERSION
        )
        set_client_factory(lambda: httpx.Client(follow_redirects=True, timeout=PATIENCE))

    def models(self, wanted: Search) -> list[ModelInfo]:
        """Raises HubUnavailable."""
        with _errors(wanted.query):
            found = self._api.list_models(
                filter=wanted.tags,
                search=wanted.query or None,
                sort=wanted.sort,
                limit=wanted.limit,
                pipeline_tag=wanted.pipeline,
                expand=_FIELDS,
            )
            return list(found)

    def model(self, model_id: str) -> ModelInfo:
        """Raises ModelNotFound and HubUnavailable."""
        with _errors(model_id):
            return self._api.model_info(model_id, timeout=PATIENCE, expand=_ONE)


@contextmanager
def _errors(what: str) -> Iterator[None]:
    try:
        yield
    except (RepositoryNotFoundError, HFValidationError):
        raise ModelNotFound(f"Model '{what}' not found on HuggingFace", param="model") from None
    except HfHubHTTPError as error:
        raise _refused(error) from error
    except (
        OSError,
        httpx.HTTPError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        unavailable = HubUnavailable.because(error)
        unavailable.out_of_reach = isinstance(error, OSError | httpx.TransportError)
        raise unavailable from error


def _refused(error: HfHubHTTPError) -> HubUnavailable:
    status = error.response.status_code
    if status in (401, 403):
        return HubUnavailable(f"The model hub refused the token of HF_TOKEN ({status}).", retry_after=60)
    if status == 429:
        return HubUnavailable(
            "The model hub has too many requests from here. Try again later.", retry_after=60
        )
    return HubUnavailable(f"The model hub answered with an error ({status}).", retry_after=30)

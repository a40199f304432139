"""Anthropic's own client against the API of this folder's neighbours."""

from collections.abc import Iterator

import anthropic
import pytest

from tests.support.api_server import ApiServer


@pytest.fixture
def claude(api: ApiServer) -> Iterator[anthropic.Anthropic]:
    """It does not try again."""
    with anthropic.Anthropic(base_url=api.url, api_key="any", max_retries=0, timeout=30) as client:
        yield client

"""Tests that others wrote and that a model of 0.9 M parameters is not clever enough for are expected to fail."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module names them in BEYOND_TINY_CHAT, with the reason; one that passes after all fails the run."""
    for item in items:
        assert isinstance(item, pytest.Function)
        reason = getattr(item.module, "BEYOND_TINY_CHAT", {}).get(item.name)
        if reason:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))

"""What holds for all tests."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole runs first: they are the longest, and no process should end up alone with one of them."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)

"""What holds for all tests."""

import pytest

LONGEST = ("contract/test_variants.py", "workflow/test_run.py", "workflow/test_slurm.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no process ends up alone with one: each file is one process's."""
    items.sort(key=lambda item: not str(item.path).endswith(LONGEST))

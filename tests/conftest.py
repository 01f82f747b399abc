"""What holds for all tests."""

import signal

import pytest

LONGEST = ("contract/test_variants.py", "contract/test_zoo.py", "workflow/test_run.py", "workflow/test_slurm.py")


def pytest_configure() -> None:
    """A shell's background job ignores Ctrl-C, and so would every process that a test starts to interrupt it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no process ends up alone with one: each file is one process's."""
    items.sort(key=lambda item: not str(item.path).endswith(LONGEST))

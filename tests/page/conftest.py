"""Pages made from an invented experiment, and a browser to show them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser
from experiment import Experiment
from resbench.report.html.page import write_page


@pytest.fixture(scope="session")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """Three networks, three seeds, two precisions, and LoadGen's scenarios."""
    return Experiment(tmp_path_factory.mktemp("experiment"), scenarios=True).write()


@pytest.fixture(scope="session")
def page(experiment: Experiment) -> Path:
    path = experiment.folder / "report.html"
    write_page(path, experiment.folder / "figures", experiment.inputs())
    return path


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()

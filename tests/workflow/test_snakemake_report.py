"""`snakemake --report`: the results that are there, with captions, categories and labels."""

import pytest

pytestmark = pytest.mark.xdist_group("workflow")


@pytest.mark.parametrize("name", ["report.csv", "comparisons.csv", "report.html", "figures/learning-loss.svg"])
def test_nothing_is_missing(snakemake_report: str, name: str) -> None:
    assert f'"results/{name}": {{"name": ' in snakemake_report


def test_captions_categories_and_labels_are_there(snakemake_report: str) -> None:
    captions = ("Start with the page", "One row for each variant", "Every pair of networks", "Mean over seeds by epoch")
    labels = ('"labels": {"table": "measurements"}', '"labels": {"figure": "confusion"}')
    expected = (*captions, *labels, '"Tables": {', '"Figures": {', '"Page": {')
    assert [words for words in expected if words not in snakemake_report] == []


@pytest.fixture(scope="module")
def snakemake_report(finished) -> str:
    status, output = finished.snakemake("--report", "snakemake-report.html")
    assert status == 0, output
    return (finished.folder / "snakemake-report.html").read_text()

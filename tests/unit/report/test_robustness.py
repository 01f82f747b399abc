"""robustness.csv: what is lost, against the main test set and against fp32, with intervals on the same images."""

import numpy as np
import pytest
from report_files import rows_of
from resbench.common.errors import ResbenchError
from resbench.report.columns import METRICS
from resbench.report.robustness import COLUMNS, read_robustness, write_robustness
from resbench.report.robustness_tables import robustness_tables

LABELS = np.array([0, 1] * 100, np.uint8)


@pytest.fixture
def predictions(tmp_path):
    paths = []

    def add(test_set, right, *, seed="0", precision="fp32", labels=LABELS):
        chosen = np.where(np.arange(len(labels)) < right, labels, 1 - labels)
        probabilities = np.full((len(labels), 2), 0.2, np.float32)
        probabilities[np.arange(len(labels)), chosen] = 0.8
        texts = {"variant": "pool", "seed": seed, "precision": precision, "provider": "cpu", "model_sha256": "00"}
        path = tmp_path / f"{len(paths)}.npz"
        arrays = {key: np.array(value) for key, value in (texts | {"model_bytes": 1, "test_set": test_set}).items()}
        np.savez(path, probabilities=probabilities, labels=labels, **arrays)
        paths.append(path)

    add.paths = paths
    return add


def table(predictions, folder):
    write_robustness(folder / "robustness.csv", predictions.paths)
    rows = rows_of(folder / "robustness.csv")
    assert list(rows[0]) == COLUMNS
    return {(row["test_set"], row["precision"]): row for row in rows}


def test_losses_are_against_the_same_models_on_the_main_test_set_and_at_fp32(predictions, tmp_path):
    for test_set, fp32, int8 in (("test", 180, 178), ("contrast-3", 120, 100)):
        predictions(test_set, fp32)
        predictions(test_set, int8, precision="int8")
    rows = table(predictions, tmp_path)
    clean, spoilt = rows["test", "fp32"], rows["contrast-3", "int8"]
    assert (clean["accuracy_mean"], clean["change_from_test"], clean["change_from_fp32"]) == ("0.9", "", "")
    assert (spoilt["corruption"], spoilt["severity"], spoilt["images"], spoilt["seeds"]) == (
        "contrast",
        "3",
        "200",
        "1",
    )
    assert float(spoilt["change_from_test"]) == pytest.approx(-0.39)
    assert float(spoilt["change_from_fp32"]) == pytest.approx(-0.1)
    assert float(spoilt["change_from_fp32_low"]) < -0.1 < float(spoilt["change_from_fp32_high"]) < 0
    assert float(rows["test", "int8"]["change_from_fp32_high"]) > 0  # two images of 200 show nothing
    assert all(float(spoilt[name]) > float(clean[name]) for name in METRICS)


@pytest.mark.parametrize(("test_set", "images"), [("cifar10.1", 100), ("cifar10.1", 200), ("contrast-1", 100)])
def test_other_images_have_a_change_without_a_paired_interval(predictions, tmp_path, test_set, images):
    for seed in ("0", "1"):
        predictions("test", 180, seed=seed)
        predictions(test_set, images * 2 // 5, seed=seed, labels=LABELS[:images])
    row = table(predictions, tmp_path)[test_set, "fp32"]
    assert float(row["change_from_test"]) == pytest.approx(-0.5)
    assert (row["change_from_test_low"], row["seeds"]) == ("", "2")
    assert float(row["accuracy_low"]) < 0.4 < float(row["accuracy_high"])


def test_a_seed_is_compared_with_itself_whatever_the_order_of_the_files(predictions, tmp_path):
    """Each loses ten images of 200; the seeds themselves are 80 apart."""
    for seed, right in (("0", 180), ("1", 100)):
        predictions("test", right, seed=seed)
    for seed, right in (("1", 90), ("0", 170)):
        predictions("contrast-1", right, seed=seed)
    row = table(predictions, tmp_path)["contrast-1", "fp32"]
    assert float(row["brier"]) == pytest.approx(0.65 * 2 * 0.2**2 + 0.35 * 2 * 0.8**2)  # the mean of both
    assert -0.5 < float(row["change_from_test_low"]) < -0.05 < float(row["change_from_test_high"]) < 0.5


def test_seeds_that_lack_the_main_test_set_have_no_change(predictions, tmp_path):
    predictions("test", 180)
    predictions("contrast-1", 100)
    predictions("contrast-1", 100, seed="1")
    assert table(predictions, tmp_path)["contrast-1", "fp32"]["change_from_test"] == ""


def test_what_does_not_belong_together_is_one_line(predictions, tmp_path):
    predictions("test", 180)
    predictions("test", 180)
    with pytest.raises(ResbenchError, match="seed 0 was given twice on test"):
        table(predictions, tmp_path)
    predictions.paths.pop()
    predictions("test", 180, seed="1", labels=LABELS[::-1])
    with pytest.raises(ResbenchError, match="other images of test than for other seeds"):
        table(predictions, tmp_path)


def test_people_read_the_main_test_set_first_and_the_losses_in_points(predictions, tmp_path):
    for test_set, fp32, int8 in (("contrast-3", 120, 100), ("mine", 150, 150), ("test", 180, 178)):
        predictions(test_set, fp32)
        predictions(test_set, int8, precision="int8")
    predictions.paths[:] = predictions.paths[4:] + predictions.paths[:4]
    table(predictions, tmp_path)
    (shown,) = robustness_tables(read_robustness(tmp_path / "robustness.csv"))
    names = [row.cells[0].text for row in shown.rows]
    assert names == ["the test set"] * 2 + ["lower contrast, severity 3"] * 2 + ["mine"] * 2
    titles = [heading.title for heading in shown.headings]
    row = dict(zip(titles, shown.rows[3].cells, strict=True))
    assert row["Change from the test set"].text == "−39.00"
    assert row["Change from fp32"].text == "−10.00"
    assert "to" in row["Change from fp32"].details[0]
    assert shown.rows[0].cells[titles.index("Change from fp32")].text == "–"
    assert shown.rows[4].cells[titles.index("Change from the test set")].details == ()


@pytest.mark.parametrize(
    ("content", "words"), [(None, "no such file"), ("", "not readable"), ("variant\npool\n", "no column")]
)
def test_an_invalid_table_is_one_line(tmp_path, content, words):
    path = tmp_path / "robustness.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ResbenchError, match=words):
        read_robustness(path)

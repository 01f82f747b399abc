"""verify: an untouched run passes; a changed byte, an edited number and a swapped file are named."""

import base64
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from resbench.benchmark.predictions import load_predictions
from resbench.cli import app
from resbench.common.errors import ResbenchError
from resbench.common.files import read_checksums, sha256, write_checksums
from resbench.report.html.page import script_hash
from resbench.report.html.rendering import chart_library, chart_library_name
from resbench.training.record import add_record, read_record
from resbench.verify.bundles import check_bundles
from resbench.verify.chain import check_chain
from resbench.verify.histories import check_histories
from resbench.verify.page import check_page
from resbench.verify.results import verify_results
from resbench.verify.scenarios import check_scenarios
from resbench.verify.tables import line_faults
from typer.testing import CliRunner


def change_probability(path, image, amount):
    """Store predictions again with one probability changed."""
    stored = load_predictions(path)
    stored.probabilities[image, 0] += amount
    with path.open("wb") as stream:
        np.savez(stream, **stored._asdict())


def faults(folder):
    return [str(fault).replace(f"{folder}/", "") for fault in verify_results(folder, folder, images=20, threads=1)]


def flip(name, offset=-40):
    """Change one byte."""

    def change(folder):
        content = bytearray((folder / name).read_bytes())
        content[offset] ^= 1
        (folder / name).write_bytes(content)

    return change


def swap(name, other):
    """Let one file take the place of another."""
    return lambda folder: shutil.copyfile(folder / other, folder / name)


def edit(name, old, new):
    """Change a text."""

    def change(folder):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return change


def edit_csv(name, row, column, value):
    """Change one cell."""

    def change(folder):
        lines = (folder / name).read_text().splitlines()
        cells = lines[row].split(",")
        cells[lines[0].split(",").index(column)] = value
        lines[row] = ",".join(cells)
        (folder / name).write_text("\n".join(lines) + "\n")

    return change


def edit_json(name, *keys, value):
    """Change one value."""

    def change(folder):
        content = part = json.loads((folder / name).read_text())
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value
        (folder / name).write_text(json.dumps(content))

    return change


def drop_line(name, number):
    """Remove one row."""

    def change(folder):
        lines = (folder / name).read_text().splitlines()
        del lines[number]
        (folder / name).write_text("\n".join(lines) + "\n")

    return change


def remove(name):
    return lambda folder: (folder / name).unlink()


def add(name):
    return lambda folder: (folder / name).write_text("more")


def contradict(folder):
    """Let one list of hashes say another one of a file than the other list."""
    path = folder / "SHA256SUMS.robustness"
    path.write_text(re.sub(rf"\w+(?=  {STORED}\n)", "0" * 64, path.read_text()))


def choose(folder):
    """Recommend the other network."""
    path = folder / "recommendation.json"
    content = json.loads(path.read_text())
    one = content["recommendations"][0]
    other = next(name for name in one["precisions"] if name != one["choice"]["variant"])
    one["choice"] = one["precisions"][other]["model"]
    path.write_text(json.dumps(content))


PARITY = "onnx/pool/seed0/parity.json"
FP32, INT8 = "onnx/pool/seed0/fp32.onnx", "onnx/pool/seed0/int8.onnx"
STORED = "predictions/pool/seed0/int8-cpu.npz"
EXTRA, CORRUPTED = "predictions/pool/seed0/int8-cpu/contrast-3.npz", "data/corrupted/contrast-3.npz"
HISTORY = "models/pool/seed0/history.csv"
BUNDLE = "model_repository/pool"
TAMPERED = {
    "a byte of the training images": (flip("data/train.npz"), "data/train.npz: was changed or replaced"),
    "a byte of the test images": (flip("data/test.npz", 5000), "data/test.npz: was changed or replaced"),
    "test images replaced": (swap("data/test.npz", "data/train.npz"), "data/test.npz: was changed or replaced"),
    "the archive's hash": (edit("data/summary.json", "abab", "abac"), "data/summary.json: was changed or replaced"),
    "the source's address": (
        edit("data/source.json", "photos", "pictures"),
        "data/source.json: names another source or",
    ),
    "a source that is a list": (
        lambda folder: (folder / "data/source.json").write_text("[]"),
        "data/source.json: not what `resbench download --record` writes",
    ),
    "a parity file that is a text": (
        lambda folder: (folder / "onnx/pool/seed0/parity.json").write_text('"pool"'),
        "onnx/pool/seed0/parity.json: not what `resbench export --parity` writes",
    ),
    "the contact sheet": (
        lambda folder: ImageOps.invert(Image.open(folder / "data/samples.png")).save(folder / "data/samples.png"),
        "data/samples.png: does not show the images of data/train.npz",
    ),
    "a byte of the contact sheet": (flip("data/samples.png"), "data/samples.png: not a readable picture"),
    "a hash of the data": (edit("data/summary.json", '"test_sha256": "', '"test_sha256": "0'), "data/test.npz: was"),
    "a byte of a trained model": (
        flip("models/pool/seed0/model.keras", 60),
        "models/pool/seed0/model.keras: is missing",
    ),
    "a trained model removed": (remove("models/pool/seed0/model.keras"), "models/pool/seed0/model.keras: is missing"),
    "another trained model": (
        swap("models/pool/seed0/model.keras", "models/basic/seed0/model.keras"),
        "onnx/pool/seed0/parity.json: variant is 'pool', but models/pool/seed0/model.keras says 'basic'",
    ),
    "epochs in a parity file": (
        edit("onnx/pool/seed0/parity.json", '"epochs": 2', '"epochs": 200'),
        "onnx/pool/seed0/parity.json: epochs is 200, but models/pool/seed0/model.keras says 2",
    ),
    "Keras's accuracy": (
        edit("onnx/pool/seed0/parity.json", '"keras_accuracy": 0.9', '"keras_accuracy": 0.99'),
        "keras_accuracy_mean is '0.9', but '0.99' follows from the raw files",
    ),
    "multiply-adds": (
        edit(PARITY, '"macs": 5000', '"macs": 50'),
        f"{PARITY}: macs is 50, but 5000 in {FP32}",
    ),
    "a graph's size": (
        edit(PARITY, '"model_bytes": ', '"model_bytes": 1'),
        f"{PARITY}: model_bytes is 1",
    ),
    "a byte of a graph": (flip(FP32, 300), f"{FP32}: is missing, or not the file of which"),
    "another graph": (swap(FP32, "onnx/basic/seed0/fp32.onnx"), f"{FP32}: is of basic/seed0, but lies in pool/seed0"),
    "another int8 graph": (swap(INT8, "onnx/basic/seed0/int8.onnx"), f"{INT8}: was not made from {FP32}"),
    "fp32 for int8": (swap(INT8, FP32), f"{INT8}: is in fp32, which its name does not say"),
    "a prediction": (
        lambda folder: change_probability(folder / STORED, 59, 0.2),
        f"{STORED}: 1 of 20 images have other",
    ),
    "a prediction that no sample sees": (
        lambda folder: change_probability(folder / STORED, 1, 1e-7),
        f"{STORED}: was changed or replaced",
    ),
    "another model's predictions": (
        swap(STORED, "predictions/basic/seed0/int8-cpu.npz"),
        f"{STORED}: is of basic/seed0, but lies in pool/seed0",
    ),
    "a timed call": (edit_csv("latency/cpu/samples.csv", 7, "latency_ms", "0.01"), "latency_min_ms is"),
    "a timed call left out": (drop_line("latency/cpu/samples.csv", 7), "latency/cpu/samples.csv: was changed"),
    "the host": (edit("latency/cpu/host.json", "a host", "a fast host"), "host is 'a host', but 'a fast host' follows"),
    "a cell of the report": (
        edit_csv("report.csv", 2, "accuracy_mean", "0.99"),
        "report.csv: row 2 (basic fp32 cpu 1 1): accuracy_mean is '0.99'",
    ),
    "a row of the report": (drop_line("report.csv", 1), "report.csv: has 3 rows, but 4 follow from the raw files"),
    "a verdict": (edit_csv("comparisons.csv", 1, "verdict", "better"), "comparisons.csv: row 1 (accuracy network pool"),
    "an interval": (edit_csv("comparisons.csv", 2, "low", "-0.0001"), "low is '-0.0001', but"),
    "a loss on other images": (
        edit_csv("robustness.csv", 6, "change_from_test", "0.01"),
        "change_from_test is '0.01', but '0' follows",
    ),
    "a row of losses": (drop_line("robustness.csv", 8), "robustness.csv: has 7 rows, but 8 follow"),
    "a prediction on other images": (
        lambda folder: change_probability(folder / STORED.replace(".npz", "/contrast-3.npz"), 0, 0.5),
        "robustness.csv: row",
    ),
    "the recommended network": (choose, "recommendation.json: recommendations.0.choice.variant is"),
    "a figure of the recommendation": (
        edit("recommendation.json", '"latency_p50_ms": ', '"latency_p50_ms": 1'),
        "recommendation.json: recommendations.0.choice.latency_p50_ms is 1",
    ),
    "a sentence": (edit("report.md", "Deploy **", "Never deploy **"), "is 'Never deploy **"),
    "a byte of a bundle's model": (flip(f"{BUNDLE}/1/model.onnx", 300), f"{BUNDLE}/1/model.onnx: is not pool in int8"),
    "a bundle's label": (edit(f"{BUNDLE}/labels.txt", "cat", "cow"), f"{BUNDLE}/labels.txt: was changed or replaced"),
    "a file in a bundle": (add(f"{BUNDLE}/1/model.bin"), f"{BUNDLE}/1/model.bin: is not named in"),
    "a bundle's hashes": (edit(f"{BUNDLE}/SHA256SUMS", "labels.txt", "label.txt"), f"{BUNDLE}/label.txt: is missing"),
    "epochs of a history": (drop_line(HISTORY, 1), f"{HISTORY}: has 1 epochs or another order"),
    "the time of an epoch": (edit_csv(HISTORY, 1, "seconds", "0.5"), f"{HISTORY}: its epochs took 1.25 s, but 1.5 s"),
    "the speed of an epoch": (edit_csv(HISTORY, 2, "images_per_second", "80"), f"{HISTORY}: epoch 2 has 60 images"),
    "the accuracy in a history": (edit_csv(HISTORY, 2, "test_accuracy", "0.97"), f"{HISTORY}: test_accuracy is 0.97"),
    "a history removed": (remove(HISTORY), f"{HISTORY}: no such file"),
    "a cell of the robustness": (
        edit_csv("robustness.csv", 5, "accuracy_mean", "0.99"),
        "robustness.csv: row 5 (pool fp32 cpu contrast-3): accuracy_mean is '0.99'",
    ),
    "a test set left out": (drop_line("robustness.csv", 8), "robustness.csv: has 7 rows, but 8 follow"),
    "a byte of corrupted images": (flip(CORRUPTED, 5000), f"{CORRUPTED}: was changed or replaced"),
    "other corrupted images": (
        swap(CORRUPTED, "data/test.npz"),
        f"{CORRUPTED}: are not the images of data/test.npz with lower contrast",
    ),
    "a prediction on corrupted images": (
        lambda folder: change_probability(folder / EXTRA, 0, 0.2),
        f"{EXTRA}: 1 of 20 images have other",
    ),
    "predictions on other images": (
        swap(EXTRA, STORED),
        f"{EXTRA}: is of the test set test, which",
    ),
    "predictions that no table has": (
        lambda folder: shutil.copyfile(folder / EXTRA, (folder / EXTRA).with_stem("contrast-4")),
        "contrast-4.npz: is not named in SHA256SUMS.robustness",
    ),
    "the hashes of the robustness": (
        remove("SHA256SUMS.robustness"),
        "SHA256SUMS.robustness: is missing, so that nothing says what robustness.csv was made from",
    ),
    "a hash in one of two lists": (
        contradict,
        f"{STORED}: was changed or replaced: it has another hash than in SHA256SUMS.robustness",
    ),
    "a file that the report was made from": (remove("latency/cpu/host.json"), "latency/cpu/host.json: is missing"),
}


def test_an_untouched_run_has_no_fault(run):
    assert faults(run) == []
    assert sha256(run / "report.csv") in (run / "SHA256SUMS").read_text()
    assert "lower contrast, severity 3" in (run / "report.md").read_text().partition("## On other images")[2]


@pytest.mark.parametrize("kind", TAMPERED)
def test_tampering_is_named(run, kind):
    tamper, said = TAMPERED[kind]
    tamper(run)
    found = faults(run)
    assert [line for line in found if said in line], found
    assert not [line for line in found if "\n" in line]


def store(**changes):
    """Store predictions again with other facts."""

    def change(folder):
        stored = load_predictions(folder / STORED)
        changed = {name: edit(getattr(stored, name)) for name, edit in changes.items()}
        with (folder / STORED).open("wb") as stream:
            np.savez(stream, **stored._asdict() | changed)

    return change


# Checks that other ones hide as long as the whole run is checked.
LINKS = {
    "training images of an export": (edit_json(PARITY, "train_sha256", value="0"), f"{PARITY}: is of other images"),
    "test images of an export": (edit_json(PARITY, "test_sha256", value="0"), f"{PARITY}: is of other images"),
    "the place of an export": (edit_json(PARITY, "seed", value=1), f"{PARITY}: is of pool/seed1, but lies in"),
    "an archive": (add("data/archive"), "data/archive: was changed or replaced"),
    "the name of predictions": (
        swap(STORED, "predictions/pool/seed0/fp32-cpu.npz"),
        f"{STORED}: is of fp32 on cpu, which its name does not say",
    ),
    "the model of predictions": (store(model_sha256=lambda digest: digest[::-1]), f"{STORED}: is of another file than"),
    "the size of their model": (store(model_bytes=lambda size: size + 1), f"{STORED}: model_bytes is"),
    "the labels of predictions": (store(labels=lambda labels: labels[::-1]), f"{STORED}: has other labels than"),
}


@pytest.mark.parametrize("kind", LINKS)
def test_each_link_of_the_chain_of_hashes_is_checked(run, kind):
    tamper, said = LINKS[kind]
    tamper(run)
    found = [str(fault).replace(f"{run}/", "") for fault in check_chain(run)]
    assert [line for line in found if line.startswith(said)], found


def test_epochs_in_another_order_are_named(run):
    edit_csv(HISTORY, 2, "epoch", "1")(run)
    (fault,) = check_histories(run)
    assert "has 2 epochs or another order" in str(fault)


def test_lines_too_many_and_too_few_are_named():
    for lines, others, said in ((["a", "b"], ["a"], "'b', but missing"), (["a"], ["a", "b"], "missing, but 'b'")):
        (fault,) = line_faults(Path("x"), lines, others)
        assert str(fault) == f"x: line 2 is {said} follows from the raw files"


PAGE = "report.html"
# Making a page again takes seconds: each of these is named by the check of the page alone.
ON_THE_PAGE = {
    "a recommendation": (edit(PAGE, "Deploy <strong>pool", "Deploy <strong>basic"), f"{PAGE}: line"),
    "a figure of the table": (edit(PAGE, 'data-value="0.9"', 'data-value="0.95"'), f"{PAGE}: line"),
    "a point of a chart": (edit(PAGE, '"accuracy": 90.0', '"accuracy": 95.0'), f"{PAGE}: chart tradeoff"),
    "a script": (edit(PAGE, "</script>\n</body>", "alert(1)</script>\n</body>"), f"{PAGE}: its script is not"),
    "a script in the text": (edit(PAGE, "</main>", "<script>alert(1)</script></main>"), f"{PAGE}: line"),
    "a picture": (edit(PAGE, "base64,iVBORw0KGgo", "base64,iVBORw1KGgo"), f"{PAGE}: line"),
    "no page": (lambda folder: (folder / PAGE).write_text("nothing"), f"{PAGE}: is not a page that"),
    "a history": (edit_csv(HISTORY, 1, "loss", "1.0"), f"{PAGE}: chart learning-loss"),
    "a scenario": (edit_csv("scenarios.csv", 1, "p90_ms", "1"), f"{PAGE}: line"),
    "the configuration's epochs": (
        edit(PAGE, "epochs: 2\n", "epochs: 20\n"),
        f"{PAGE}: its configuration has epochs 20",
    ),
    "the configuration's seeds": (
        edit(PAGE, "seeds:\n- 0\n", "seeds:\n- 1\n"),
        f"{PAGE}: its configuration has seeds [1]",
    ),
    "another figure": (add("figures/more.svg"), "figures/more.svg: is not a figure of the page"),
}


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("p90_ms", "1", "row 1: p50_ms 3, p90_ms 1, p99_ms 3.6 are not in ascending order"),
        ("variant", "other", "row 1 is of onnx/other/seed0/fp32.onnx, which does not exist"),
        ("verdict", "FINE", "a verdict is neither VALID nor INVALID"),
    ],
)
def test_figures_of_loadgen_that_cannot_be_true_are_named(run_page, column, value, said):
    edit_csv("scenarios.csv", 1, column, value)(run_page)
    found = [str(fault).replace(f"{run_page}/", "") for fault in check_scenarios(run_page)]
    assert [line.startswith(f"scenarios.csv: {said}") for line in found] == [True], found


@pytest.mark.parametrize("kind", ON_THE_PAGE)
def test_tampering_with_the_page_is_named(run_page, kind):
    tamper, said = ON_THE_PAGE[kind]
    tamper(run_page)
    sources = list(read_checksums(run_page / "SHA256SUMS.page"))
    found = [str(fault).replace(f"{run_page}/", "") for fault in check_page(run_page, sources, pytest.fail)]
    assert [line for line in found if line.startswith(said)], found
    assert not [line for line in found if "\n" in line or len(line) > 400]


def test_a_changed_byte_behind_the_page_is_named(run_page):
    names = [HISTORY, "scenarios.csv", "figures/confusion.svg", "figures/confusion.png", PAGE]
    assert faults(run_page) == []
    for name in names:
        flip(name, -2)(run_page)
    edit_csv("scenarios.csv", 1, "p90_ms", "1")(run_page)
    found = faults(run_page)
    assert any("are not in ascending order" in line for line in found)
    for name in names:
        assert f"{name}: was changed or replaced: it has another hash than in SHA256SUMS.page" in found


def test_another_version_of_the_chart_library_is_no_fault_and_is_noted(run_page):
    page, notes = run_page / PAGE, []
    text = page.read_text()
    name = chart_library_name()
    assert text.count(name) == 1
    other = text.replace(chart_library(), "other").replace(script_hash(chart_library()), script_hash("other"))
    page.write_text(other.replace(name, "vl-convert-python 1.0"))
    sources = list(read_checksums(run_page / "SHA256SUMS.page"))
    assert list(check_page(run_page, sources, notes.append)) == []
    assert len(notes) == 1
    assert "was made with resbench, vl-convert-python 1.0" in notes[0]
    page.write_text(other)
    (fault,) = check_page(run_page, sources, pytest.fail)
    assert "its chart library is not the one of vl-convert-python" in str(fault)


def test_pictures_are_compared_by_their_pixels(run_page):
    """Another version of Pillow compresses them in another way."""

    def recompress(found):
        stream = io.BytesIO()
        with Image.open(io.BytesIO(base64.b64decode(found[1]))) as image:
            image.save(stream, "PNG", compress_level=0)
        return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"

    page = run_page / PAGE
    text = page.read_text()
    page.write_text(re.sub(r"data:image/png;base64,([A-Za-z0-9+/=]+)", recompress, text))
    assert page.read_text() != text
    sources = list(read_checksums(run_page / "SHA256SUMS.page"))
    sources.remove("figures/confusion.svg")  # whose fault is the only one
    found = [str(fault).replace(f"{run_page}/", "") for fault in check_page(run_page, sources, pytest.fail)]
    assert found == ["figures/confusion.svg: is not named in SHA256SUMS.page"]


@pytest.mark.parametrize(
    "kind",
    [
        "multiply-adds",
        "a graph's size",
        "a cell of the report",
        "a verdict",
        "the recommended network",
        "a timed call",
        "a loss on other images",
    ],
)
def test_hashes_written_anew_do_not_hide_it(run, kind):
    """Who edits a number can write SHA256SUMS, too: what follows from the raw files cannot be argued with."""
    tamper, said = TAMPERED[kind]
    tamper(run)
    hide(run)
    found = faults(run)
    assert [line for line in found if said in line], found
    assert not [line for line in found if "was changed or replaced" in line]


@pytest.mark.parametrize("text", ["", "nonsense\n", f"{'0' * 64}  /etc/passwd\n"])
def test_hostile_hashes_are_refused_in_one_line(run, text):
    (run / "SHA256SUMS").write_text(text)
    if text:
        with pytest.raises(ResbenchError, match="SHA256SUMS: line 1"):
            faults(run)
    else:
        assert any("report.csv: cannot be computed again" in line for line in faults(run))


def train_again(**changes):
    """Change the record in a trained model."""

    def change(folder):
        path = folder / "models/pool/seed0/model.keras"
        record = read_record(path) | changes
        path.unlink()
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model.weights.h5", bytes(range(256)))
        add_record(path, record)

    return change


def hide(folder):
    """Write all hashes anew."""
    for sums in folder.glob("SHA256SUMS*"):
        write_checksums(sums, [folder / name for name in read_checksums(sums)])


FOUND = ("recommendations", 0, "precisions", "pool", "findings", 0)
HOSTILE = {
    "an interval left out": (
        edit_json("recommendation.json", *FOUND, "latency", "low", value=None),
        "recommendation.json: recommendations.0.precisions.pool.findings.0.latency: ",
    ),
    "a verdict that no model has": (
        edit_json("recommendation.json", *FOUND, "accuracy", "verdict", value="not_comparable"),
        "recommendation.json: recommendations.0.precisions.pool.findings.0.accuracy: ",
    ),
    "a ratio of 0": (
        edit_json("recommendation.json", *FOUND, "latency", "estimate", value=0),
        "a ratio of latencies must be above 0",
    ),
    "no test images": (edit_json(PARITY, "test_images", value=0), "0 test images"),
    "endless test images": (edit_json(PARITY, "test_images", value=float("inf")), "test_images is inf"),
    "endless epochs": (train_again(epochs=100_000_000_000), "was trained for 100000000000"),
    "no training images": (train_again(train_images=0), "was trained on 0"),
    "too many digits": (edit_json(PARITY, "macs", value=10**400), "a number of 401 digits"),
    "too many digits in a model": (train_again(train_images=10**400), "models: cannot be checked: OverflowError"),
    "deep levels": (
        lambda folder: (folder / PARITY).write_text("[" * 100_000 + "]" * 100_000),
        f"{PARITY}: cannot be read as JSON",
    ),
    "levels that Python can read": (
        lambda folder: (folder / PARITY).write_text("[" * 300 + "]" * 300),
        f"{PARITY}: cannot be read as JSON (more than 100 levels)",
    ),
    "a number of GPUs": (edit_json("latency/cpu/host.json", "gpus", value=7), "latency/cpu/host.json: was changed"),
    "a long cell": (
        edit_csv("report.csv", 1, "dataset", "x" * 140_000),
        "report.csv: cannot be computed again: field larger than field limit",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_content_is_a_fault_of_one_line(run, kind):
    tamper, said = HOSTILE[kind]
    tamper(run)
    found = faults(run)
    assert [line for line in found if said in line], found
    assert not [line for line in found if "\n" in line or len(line) > 500]


def test_texts_from_files_cannot_control_the_terminal(run):
    escape = "\x1b]0;title\x07\x9b2J"
    edit_json(PARITY, "protocol", value=escape)(run)
    (run / "latency/cpu/host.json").write_text(json.dumps({"name": escape, "provider": "cpu"}))
    with (run / "SHA256SUMS").open("a") as stream:
        stream.write(f"{'0' * 64}  {escape}\n")
    done = CliRunner().invoke(app, ["verify", str(run)])
    assert done.exit_code == 1
    assert r"\x1b]0;title" in done.output
    assert all(line.isprintable() for line in done.output.split("\n"))


def test_aliases_in_the_page_s_configuration_are_not_expanded(run_page):
    """Each level doubles the one before it."""
    levels = "".join(f"a{number}: &a{number} [*a{number - 1}, *a{number - 1}]\n" for number in range(1, 40))
    edit(PAGE, "seeds:\n- 0\n", f"seeds:\n- 0\na0: &a0 [x]\n{levels}")(run_page)
    (fault,) = check_page(run_page, list(read_checksums(run_page / "SHA256SUMS.page")), pytest.fail)
    assert "its configuration is not YAML of a run (it has aliases" in str(fault)


def test_a_source_outside_of_the_folder_is_checked_too(run):
    """Timings that were measured elsewhere lie where the user put them."""
    elsewhere = run.parent / "elsewhere"
    shutil.move(run / "latency/cpu", elsewhere)
    text = (run / "SHA256SUMS").read_text()
    (run / "SHA256SUMS").write_text(text.replace("latency/cpu/", "../elsewhere/"))
    assert faults(run) == []
    drop_line("../elsewhere/samples.csv", 7)(run)
    assert any("elsewhere/samples.csv: was changed" in line for line in faults(run))


def write_bundle_hashes(folder):
    """Write the hashes of a bundle's files anew, as who changed them would."""
    files = [path for path in sorted((folder / BUNDLE).rglob("*")) if path.is_file() and path.name[0] not in "S."]
    write_checksums(folder / BUNDLE / "SHA256SUMS", files)


def store_check(folder):
    """Store the predictions of a bundle's check again with one probability changed."""
    change_probability(folder / BUNDLE / "check/predictions.npz", 0, 1e-4)


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (edit(f"{BUNDLE}/labels.txt", "cat", "cow"), "labels.txt: line 1 is 'cow', but 'cat' follows"),
        (edit(f"{BUNDLE}/README.md", "90.00", "99.00"), "README.md: line"),
        (edit(f"{BUNDLE}/config.pbtxt", "max_batch_size: 1", "max_batch_size: 4"), "config.pbtxt: line 3 is"),
        (flip(f"{BUNDLE}/warmup/image.uint8"), "warmup/image.uint8: is not the one that follows"),
        (swap(f"{BUNDLE}/check/test.npz", "data/train.npz"), "check/test.npz: holds other images"),
        (store_check, "check/predictions.npz: holds other images or predictions"),
        (remove(f"{BUNDLE}/labels.txt"), "labels.txt: is missing"),
    ],
)
def test_a_changed_bundle_is_named_though_its_hashes_were_written_anew(run, tamper, said):
    tamper(run)
    write_bundle_hashes(run)
    found = faults(run)
    assert [line.startswith(f"{BUNDLE}/{said}") for line in found] == [True], found


def test_arrays_of_a_bundle_are_compared_whatever_packed_them(run):
    path = run / BUNDLE / "check/test.npz"
    with np.load(path) as arrays:
        content = dict(arrays)
    np.savez(path, **content)
    write_bundle_hashes(run)
    assert faults(run) == []


def test_without_the_runtime_that_bundles_are_made_with_their_hashes_are_checked(run, monkeypatch):
    monkeypatch.setattr("resbench.verify.bundles.missing", lambda provider: "no runtime")
    notes = []
    assert list(check_bundles(run, ["robustness.csv"], notes.append)) == []
    assert notes == ["verify: bundles are not made again, only their hashes are checked: no runtime"]
    edit(f"{BUNDLE}/labels.txt", "cat", "cow")(run)
    (fault,) = check_bundles(run, ["robustness.csv"], notes.append)
    assert "labels.txt: was changed or replaced" in str(fault)


def test_a_bundle_of_a_network_that_is_not_recommended_is_named(run):
    shutil.copytree(run / BUNDLE, run / "model_repository/other")
    (fault,) = check_bundles(run, ["robustness.csv"], pytest.fail)
    assert (
        str(fault) == f"{run}/model_repository/other: {run}/recommendation.json recommends no precision of this network"
    )


def test_a_bundle_s_hashes_cannot_lead_out_of_it(run):
    edit(f"{BUNDLE}/SHA256SUMS", "labels.txt", "../../../outside")(run)
    assert any("SHA256SUMS: line" in line and "outside of its folder" in line for line in faults(run))


def test_no_finished_run_is_one_line(tmp_path):
    with pytest.raises(ResbenchError, match="is not a finished run"):
        faults(tmp_path)


def test_the_command_prints_faults_and_exits_with_1(run):
    done = CliRunner().invoke(app, ["verify", str(run)])
    assert (done.exit_code, "everything that was checked follows" in done.output) == (0, True)
    TAMPERED["a verdict"][0](run)
    done = CliRunner().invoke(app, ["verify", str(run)])
    assert done.exit_code == 1
    assert f"{run}/comparisons.csv: row 1" in done.output


def test_faults_and_notes_name_the_crate_in_place_of_the_folder_that_holds_it(run):
    (run / "onnx/pool/seed0/parity.json").unlink()
    crate, notes = Path("run.crate.zip"), []
    found = "\n".join(map(str, verify_results(run, crate, images=5, threads=1, note=notes.append)))
    assert f"{crate}/onnx/pool/seed0/parity.json: is missing, though {crate}/SHA256SUMS names it" in found
    assert notes == [f"verify: {crate} has no report.html, so that only its tables are checked"]
    assert str(run) not in found


def test_it_runs_without_tensorflow(run):
    code = f"""
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
from pathlib import Path
from resbench.verify.results import verify_results
folder = Path({str(run)!r})
assert not list(verify_results(folder, folder, images=5, threads=1))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

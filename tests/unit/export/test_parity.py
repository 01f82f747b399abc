"""The gate: no agreement, no file."""

import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
from resbench.benchmark.host import describe_host
from resbench.common.errors import ResbenchError
from resbench.common.files import read_json, write_json
from resbench.data.store import Split, save_split
from resbench.export import check
from resbench.export import onnx as export
from resbench.training.job import run_job
from resbench.training.plan import Job
from resbench.version import __version__


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of two classes and the data it was trained on."""
    folder = tmp_path_factory.mktemp("trained")
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    save_split(folder / "data.npz", Split(images, np.array([0, 1] * 3, np.uint8), np.array(["cat", "dog"])))
    job = Job(variant="resnet20", protocol="he2015", seed=0, epochs=1)
    run_job(job, folder / "data.npz", folder / "m.keras", folder / "h.csv", test_path=None, checkpoints_folder=None)
    return folder


def test_figures():
    labels = np.array([0, 1, 1, 0], np.uint8)
    data = Split(np.zeros((4, 32, 32, 3), np.uint8), labels, np.array(["a", "b"]))
    reference = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]], np.float32)
    exported = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.5, 0.5]], np.float32)
    figures = export.compare(reference, exported, data)
    assert figures["test_images"] == 4
    assert figures["top1_agreement"] == 0.75
    assert figures["max_abs_diff"] == pytest.approx(0.2)
    assert figures["keras_accuracy"] == 0.75
    assert figures["keras_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.5]).mean())


@pytest.mark.parametrize(
    ("difference", "agreement", "refused"),
    [(1e-4, 1.0, False), (1.1e-4, 1.0, True), (0, 0.9999, False), (0, 0.9998, True), (float("nan"), 1.0, True)],
)
def test_bounds(difference, agreement, refused):
    figures = {"max_abs_diff": difference, "top1_agreement": agreement}
    assert bool(export.disagreement(figures)) == refused


def test_a_good_export_writes_both_files(trained, tmp_path):
    export.export_model(trained / "m.keras", trained / "data.npz", tmp_path / "m.onnx", tmp_path / "p.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "p.json"]


def test_the_version_is_that_of_the_code_also_where_no_distribution_is_installed(trained, tmp_path, monkeypatch):
    """As in the jobs of --sdm conda, which get the package by PYTHONPATH."""
    from_name = metadata.Distribution.from_name

    def lacking_resbench(name):
        if name == "resbench":
            raise metadata.PackageNotFoundError(name)
        return from_name(name)

    monkeypatch.setattr(metadata.Distribution, "from_name", lacking_resbench)
    monkeypatch.setattr(check, "_follow", lambda folder, *_: write_json(folder / check.FIGURES, {}))
    export.export_model(trained / "m.keras", trained / "data.npz", tmp_path / "m.onnx", tmp_path / "p.json")
    assert read_json(tmp_path / "p.json")["resbench"] == __version__
    assert check.check_variant("resnet8", [], None)["resbench"] == __version__
    assert describe_host("cpu")["packages"]["resbench"] == __version__


def test_a_graph_that_computes_something_else_leaves_nothing(trained, tmp_path, monkeypatch):
    to_onnx = export.to_onnx

    def wrong(model):
        graph = to_onnx(model)
        for tensor in graph.graph.initializer:
            if len(tensor.dims) == 4:
                values = np.frombuffer(tensor.raw_data, np.float32) * 1.01
                tensor.raw_data = values.astype(np.float32).tobytes()
        return graph

    monkeypatch.setattr(export, "to_onnx", wrong)
    with pytest.raises(ResbenchError, match=r"m\.keras: not exported, since"):
        export.export_model(trained / "m.keras", trained / "data.npz", tmp_path / "m.onnx", tmp_path / "p.json")
    assert not any(tmp_path.iterdir())


def test_other_classes_are_refused(trained, tmp_path):
    images = np.zeros((2, 32, 32, 3), np.uint8)
    save_split(tmp_path / "other.npz", Split(images, np.array([0, 1], np.uint8), np.array(["dog", "cat"])))
    with pytest.raises(ResbenchError, match="its classes are not those"):
        export.export_model(trained / "m.keras", tmp_path / "other.npz", tmp_path / "m.onnx", tmp_path / "p.json")


@pytest.mark.parametrize("damage", ["missing", "text", "truncated", "no weights"])
def test_a_damaged_model_is_one_line(trained, tmp_path, damage):
    import zipfile

    model, whole = tmp_path / "m.keras", (trained / "m.keras").read_bytes()
    if damage == "text":
        model.write_text("not a model")
    elif damage == "truncated":
        model.write_bytes(whole[: len(whole) // 2])
    elif damage == "no weights":
        with zipfile.ZipFile(trained / "m.keras") as old, zipfile.ZipFile(model, "w") as new:
            for name in old.namelist():
                if not name.endswith(".h5"):
                    new.writestr(name, old.read(name))
    with pytest.raises(ResbenchError) as caught:
        export.export_model(model, trained / "data.npz", tmp_path / "m.onnx", tmp_path / "p.json")
    assert str(model) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.onnx"))


def test_a_network_with_a_layer_of_its_own_is_exported_by_a_process_that_has_not_trained_it(trained, tmp_path):
    words = ["export", trained / "m.keras", "--data", trained / "data.npz", "--onnx", tmp_path / "a.onnx"]
    command = [sys.executable, "-m", "resbench", *map(str, words), "--parity", str(tmp_path / "parity.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.onnx").is_file()

"""The bundle: the right model, chosen by the rule, in a folder that is whole or not there."""

import csv
import re

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from resbench.benchmark.predictions import evaluate_model
from resbench.common.errors import ResbenchError
from resbench.common.files import atomic_folder, sha256
from resbench.data.store import Split, save_split
from resbench.deploy.bundle import triton_config, write_bundle
from resbench.deploy.deployment import Measured, Setting, choose
from resbench.statistics.metrics import keeps_accuracy
from tiny_models import CLASSES, tiny_model
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

HERE = Setting("cpu", 1, 1)
FP32 = Measured("fp32", 1, 1, 1, 0.8, 0.75, 0.85, 3.0, 3.5, 4.0, 285.7, "a host", "CIFAR-10")


@pytest.mark.parametrize(("accuracy", "kept"), [(0.8, True), (0.792, True), (0.7919, False), (0.9, True)])
def test_99_percent_of_the_accuracy_are_kept(accuracy, kept):
    assert keeps_accuracy(accuracy, 0.8) == kept


@pytest.mark.parametrize(
    ("accuracy", "latency", "wanted", "precision"),
    [
        (0.8, 1.0, "fastest", "int8"),
        (0.78, 1.0, "fastest", "fp32"),  # fast, and too often wrong
        (0.8, 3.1, "fastest", "fp32"),
        (0.8, None, "fastest", "fp32"),
        (0.1, 9.0, "int8", "int8"),  # as it was asked for
        (0.8, 1.0, "fp32", "fp32"),
    ],
)
def test_the_fastest_that_keeps_the_accuracy_is_deployed(tmp_path, accuracy, latency, wanted, precision):
    int8 = FP32._replace(precision="int8", accuracy_mean=accuracy, latency_min_ms=latency)
    for rows in ([FP32, int8], [int8, FP32]):
        assert choose(rows, wanted, tmp_path / "report.csv").precision == precision


@pytest.mark.parametrize(
    ("rows", "wanted", "match"),
    [
        ([FP32], "int8", "has no int8 model .* there are: fp32"),
        ([], "fastest", "has no fp32 model .* there are: none"),
        ([FP32._replace(latency_min_ms=None)], "fastest", "has no latency"),
    ],
)
def test_nothing_to_deploy_is_one_line(tmp_path, rows, wanted, match):
    with pytest.raises(ResbenchError, match=r"report\.csv: " + match):
        choose(rows, wanted, tmp_path / "report.csv")


@pytest.fixture
def inputs(tmp_path):
    """Models and predictions of a network in two precisions, which differ in their answers, and a report of them."""
    images = np.zeros((60, 32, 32, 3), np.uint8)
    labels = np.arange(60, dtype=np.uint8) % 3
    images[np.arange(60), :, :, labels] = 255
    labels[:6] = (labels[:6] + 1) % 3
    save_split(tmp_path / "test.npz", Split(images, labels, np.array(CLASSES)))
    models, predictions = [], []
    for precision, scale in (("fp32", 10.0), ("int8", 3.0)):
        models.append(tiny_model(tmp_path / f"{precision}.onnx", precision=precision, scale=scale))
        predictions.append(tmp_path / f"{precision}.npz")
        evaluate_model(models[-1], tmp_path / "test.npz", "cpu", predictions[-1], threads=1)
    report(tmp_path / "report.csv")
    return models, predictions, tmp_path / "report.csv"


def report(path, **change):
    """Two precisions at batches 1 and 8, and another variant; empty cells where nothing was measured."""
    rows = []
    for precision, latency in (("fp32", 3.0), ("int8", 1.0)):
        for batch_size in (1, 8):
            row = FP32._replace(precision=precision, batch_size=batch_size, latency_min_ms=latency * batch_size)
            rows.append({"variant": "pool", "provider": "cpu"} | row._asdict() | {"latency_p90_ms": None} | change)
    rows.append(rows[0] | {"variant": "basic", "latency_min_ms": 0.1})
    rows.append(rows[2] | {"provider": "cuda", "latency_min_ms": 0.1})
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_bundle_is_what_triton_serves(tmp_path, inputs):
    folder = tmp_path / "deep" / "pool"
    write_bundle(folder, *inputs, HERE, "fastest")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"config.pbtxt", "labels.txt", "README.md", "1/model.onnx"}
    assert sha256(folder / "1/model.onnx") == sha256(inputs[0][1])  # int8
    assert (folder / "labels.txt").read_text() == "cat\ndog\nship\n"
    config = text_format.Parse((folder / "config.pbtxt").read_text(), ModelConfig())
    assert (config.name, config.max_batch_size) == ("pool", 8)
    assert list(config.output[0].dims) == [3]
    assert config.parameters["intra_op_thread_count"].string_value == "1"
    assert config.instance_group[0].kind == ModelInstanceGroup.KIND_CPU
    assert [path.name for path in folder.parent.iterdir()] == ["pool"]


def test_on_a_gpu_triton_is_told_so():
    config = text_format.Parse(triton_config("pool", 10, Setting("cuda", 1, 1), 32), ModelConfig())
    assert config.instance_group[0].kind == ModelInstanceGroup.KIND_GPU


def test_the_card_tells_what_why_and_how_well(tmp_path, inputs):
    folder = tmp_path / "pool"
    write_bundle(folder, *inputs, HERE, "fastest")
    card = (folder / "README.md").read_text()
    assert "# pool, int8" in card
    assert sha256(folder / "1/model.onnx") in card
    assert "| this file | 90.00% (79.85% to 95.34%) |" in card  # 54 of 60: Wilson's interval
    assert "| this file less its fp32 original | 0.00% (" in card
    assert "100.00% of the images the same class as its fp32 original" in card
    assert "| int8 | 80.00% | yes | 1 |" in card
    assert "Seed: 0, the first in the configuration's list. It was not chosen by its accuracy" in card
    assert "| 8 | 1 | 3.5 | – | 8 | 286 |" in card
    assert "a host" in card
    assert "Alex Krizhevsky" in card
    write_bundle(tmp_path / "other", *inputs, HERE, "fp32")
    other = (tmp_path / "other/README.md").read_text()
    assert "Precision: fp32, as the configuration asks" in other
    assert "original" not in other


def test_what_the_card_says_how_to_do_works(tmp_path, inputs, monkeypatch, capsys):
    write_bundle(tmp_path / "pool", *inputs, HERE, "fastest")
    monkeypatch.chdir(tmp_path / "pool")
    (block,) = re.findall(r"```python\n(.*?)```", (tmp_path / "pool/README.md").read_text(), re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out.strip() in CLASSES


def test_words_from_files_cannot_break_the_card(tmp_path, inputs):
    models, predictions, table = inputs
    report(table, dataset="a | b\n# <script>", host="[x](y) `z`")
    write_bundle(tmp_path / "pool", models, predictions, table, HERE, "fastest")
    card = (tmp_path / "pool/README.md").read_text()
    assert r"a \| b \# \<script\>" in card
    assert r"\[x\](y) \`z\`" in card


def refused(match, folder, models, predictions, table):
    with pytest.raises(ResbenchError, match=match) as caught:
        write_bundle(folder, models, predictions, table, HERE, "fastest")
    assert "\n" not in str(caught.value)
    assert not folder.exists()
    assert not list(folder.parent.glob(f".{folder.name}.*"))


def test_what_does_not_belong_together_is_one_line(tmp_path, inputs):
    (fp32, int8), predictions, table = inputs
    folder = tmp_path / "pool"
    refused(r"int8\.onnx: none of the --predictions is of this file", folder, [fp32, int8], predictions[:1], table)
    other = tiny_model(tmp_path / "other.onnx", seed="1", precision="int8")
    evaluate_model(other, tmp_path / "test.npz", "cpu", tmp_path / "other.npz", threads=1)
    of_other = [predictions[0], tmp_path / "other.npz"]
    refused("of another variant or seed", folder, [fp32, other], of_other, table)
    refused("has no fp32 model", folder, [int8], predictions, table)
    refused("no such file", folder, [fp32, int8], predictions, tmp_path / "absent.csv")
    onnx.save(onnx.load(int8), int8)
    int8.write_bytes(int8.read_bytes()[:100])
    refused(r"int8\.onnx: not a model that loads", folder, [fp32, int8], predictions, table)


@pytest.mark.parametrize("text", ["", "variant,provider\npool,cpu\n", "\x00\xff", "variant\n" + '"' * 200_000])
def test_a_damaged_report_is_one_line(tmp_path, inputs, text):
    models, predictions, table = inputs
    table.write_bytes(text.encode("latin-1"))
    refused(
        r"report\.csv: (not what `resbench collate` writes|has no fp32)", tmp_path / "pool", models, predictions, table
    )


def test_numbers_that_are_none_are_refused(tmp_path, inputs):
    models, predictions, table = inputs
    report(table, accuracy_mean="good")
    refused("not what `resbench collate` writes", tmp_path / "pool", models, predictions, table)


def test_a_folder_that_is_there_is_left_alone(tmp_path, inputs):
    folder = tmp_path / "pool"
    folder.mkdir()
    (folder / "mine.txt").write_text("precious")
    with pytest.raises(ResbenchError, match="exists already"):
        write_bundle(folder, *inputs, HERE, "fastest")
    assert (folder / "mine.txt").read_text() == "precious"


def test_an_empty_folder_is_filled_and_a_failure_leaves_none(tmp_path):
    (tmp_path / "a").mkdir()
    with atomic_folder(tmp_path / "a") as temporary:
        (temporary / "x").write_text("x")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x"]
    with pytest.raises(IsADirectoryError), atomic_folder(tmp_path / "b") as temporary:
        temporary.write_text("fails, since this is a folder")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(("provider", "accelerators"), [("cuda", []), ("tensorrt", ["tensorrt"])])
def test_triton_runs_what_was_measured(provider, accelerators):
    config = text_format.Parse(triton_config("pool", 10, Setting(provider, 1, 1), 32), ModelConfig())
    found = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert [accelerator.name for accelerator in found] == accelerators

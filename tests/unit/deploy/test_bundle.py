"""The bundle: the recommended model, in a folder that is whole or not there."""

import hashlib
import json
import re
import subprocess

import numpy as np
import pandas as pd
import pytest
import yaml
from google.protobuf import text_format
from huggingface_hub import ModelCard
from report_files import Results, calls
from resbench.benchmark.measure import measure_models
from resbench.benchmark.plan import LatencyRequest
from resbench.benchmark.predictions import evaluate_test_sets, load_predictions, save_predictions
from resbench.common.errors import ResbenchError
from resbench.common.files import atomic_folder, read_json, sha256
from resbench.data.corruptions import corrupt_split
from resbench.data.datasets import DATASETS
from resbench.data.store import Split, load_split, save_split
from resbench.deploy.bundle import triton_config, write_bundle
from resbench.report.prose import UNPAIRED, describe_corruptions
from resbench.report.recommendation import Deployment
from resbench.report.robustness import write_robustness
from resbench.runtime.providers import PROVIDERS
from statsmodels.stats.proportion import proportion_confint
from tiny_models import CLASSES, tiny_model
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

OTHERS = {"variant": "basic", "provider": "openvino", "host": "another"}
SPEED = {"fp32": 3.0, "int8": 1.0}  # ms a call of one image


class Inputs:
    """What a bundle is made from: two precisions of a network, evaluated and collated, timed in batches of 1 and 8."""

    def __init__(self, folder):
        self.folder = folder
        images = np.zeros((60, 32, 32, 3), np.uint8)
        labels = np.arange(60, dtype=np.uint8) % 3
        images[np.arange(60), :, :, labels] = 255
        labels[:6] = (labels[:6] + 1) % 3
        self.test = folder / "test.npz"
        save_split(self.test, Split(images, labels, np.array(CLASSES)))
        self.models, self.predictions = [], []
        for precision, scale in (("fp32", 10.0), ("int8", 3.0)):
            self.models.append(tiny_model(folder / f"{precision}.onnx", precision=precision, scale=scale))
            self.predictions.append(folder / f"{precision}.npz")
            evaluate_test_sets(self.models[-1], [(self.test, self.predictions[-1])], "cpu", threads=1)
        self.report, self.recommendation = folder / "out/report.csv", folder / "out/recommendation.json"
        self.collate()

    def collate(self, *, speed=None, dataset="CIFAR-10", host="a host", **deployment):
        """Write the report anew: `speed` in ms a call of one image, `deployment` where bundles run."""
        results = Results(self.folder)
        results.model("pool", 0, right=90, test_images=60)
        results.predictions = self.predictions
        lines = [
            line
            for precision, ms in (speed or SPEED).items()
            for batch_size in (1, 8)
            for number in range(1, 6)
            for line in calls(
                "pool",
                [ms * batch_size, *[1.25 * ms * batch_size] * 3],
                precision=precision,
                batch_size=batch_size,
                threads=deployment.get("threads", 1),
                number=number,
            )
        ]
        results.time(lines, host={"name": host, "provider": "cpu"})
        where = {"provider": "cpu", "batch_size": 1, "threads": 1} | deployment
        results.collate(dataset, Deployment(**where))
        return self

    def bundle(self, folder, robustness=None):
        write_bundle(folder, self.models, self.predictions, self.report, self.recommendation, self.test, robustness)
        return folder

    def refused(self, match):
        folder = self.folder / "pool"
        with pytest.raises(ResbenchError, match=match) as caught:
            self.bundle(folder)
        assert "\n" not in str(caught.value)
        assert not folder.exists()
        assert not list(folder.parent.glob(f".{folder.name}.*"))


@pytest.fixture
def inputs(tmp_path):
    return Inputs(tmp_path)


@pytest.mark.parametrize(
    ("speed", "precision", "deployed"),
    [
        ({"fp32": 3.0, "int8": 1.0}, "fastest", "int8"),
        ({"fp32": 3.0, "int8": 2.95}, "fastest", "fp32"),  # as fast is not faster
        ({"fp32": 3.0, "int8": 9.0}, "int8", "int8"),  # as the configuration asks
        ({"fp32": 3.0, "int8": 1.0}, "fp32", "fp32"),
    ],
)
def test_the_recommended_precision_is_deployed_and_the_card_says_why(inputs, tmp_path, speed, precision, deployed):
    folder = inputs.collate(speed=speed, precision=precision).bundle(tmp_path / "pool")
    assert sha256(folder / "1/model.onnx") == sha256(inputs.models[deployed == "int8"])
    card = (folder / "README.md").read_text()
    assert f"# pool, {deployed}" in card
    assert ("The configuration asks for" in card) == (precision != "fastest")
    assert ("is not shown to be faster than fp32" in card) == (speed["int8"] > 2)


def test_a_bundle_checks_and_times_itself_on_another_machine(inputs, tmp_path):
    folder = inputs.bundle(tmp_path / "pool")
    request = LatencyRequest("openvino", batch_sizes=[1], threads=[1], preset="smoke", rounds=1)
    measure_models([folder], tmp_path / "measured", request)
    (row,) = read_json(tmp_path / "measured/agreement.json")
    assert (row["precision"], row["images"], row["top1_agreement"]) == ("int8", 60, 1.0)
    assert read_json(tmp_path / "measured/latency/openvino/host.json")["images"] == "from --data"


def test_a_bundle_is_what_triton_serves(inputs, tmp_path):
    folder = inputs.collate(threads=2).bundle(tmp_path / "deep" / "pool")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        *("config.pbtxt", "labels.txt", "README.md", "SHA256SUMS", "1/model.onnx", "warmup/image.uint8"),
        *("check/test.npz", "check/predictions.npz"),
    }
    assert (folder / "labels.txt").read_text() == "cat\ndog\nship\n"
    config = text_format.Parse((folder / "config.pbtxt").read_text(), ModelConfig())
    assert (config.name, config.max_batch_size) == ("pool", 8)
    assert list(config.output[0].dims) == [3]
    assert config.parameters["intra_op_thread_count"].string_value == "2"
    assert config.instance_group[0].kind == ModelInstanceGroup.KIND_CPU
    assert list(config.version_policy.specific.versions) == [1]
    assert [path.name for path in folder.parent.iterdir()] == ["pool"]


def test_triton_warms_up_with_a_real_image_in_each_measured_batch_size(inputs, tmp_path):
    folder = inputs.bundle(tmp_path / "pool")
    config = text_format.Parse((folder / "config.pbtxt").read_text(), ModelConfig())
    assert [entry.batch_size for entry in config.model_warmup] == [1, 8]
    assert len({entry.name for entry in config.model_warmup}) == 2
    for entry in config.model_warmup:
        given = entry.inputs[config.input[0].name]
        assert (given.data_type, list(given.dims)) == (config.input[0].data_type, list(config.input[0].dims))
        pixels = np.fromfile(folder / "warmup" / given.input_data_file, np.uint8).reshape(given.dims)
        assert np.array_equal(pixels, np.load(inputs.test)["images"][0])


def test_sha256sums_names_every_file_and_a_changed_byte(inputs, tmp_path):
    folder = inputs.bundle(tmp_path / "pool")
    named = dict(line.split("  ")[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    expected = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert named == expected
    check = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=folder, check=False).returncode == 0
    (folder / "labels.txt").write_text("dog\ncat\nship\n")
    assert subprocess.run(check, cwd=folder, check=False, capture_output=True).returncode == 1


def test_the_configuration_for_triton_names_the_gpu():
    config = text_format.Parse(triton_config("pool", 10, PROVIDERS["cuda"], 1, [1, 32]), ModelConfig())
    assert config.instance_group[0].kind == ModelInstanceGroup.KIND_GPU


def test_the_card_shows_what_this_precision_loses_on_other_images(inputs, tmp_path):
    predictions = list(inputs.predictions)
    for number, name in enumerate(("contrast-5", "mine")):
        spoilt = tmp_path / f"{name}.npz"
        split = load_split(inputs.test)
        save_split(
            spoilt,
            corrupt_split(split, name) if number == 0 else Split(split.images, split.labels[::-1], split.classes),
        )
        for model in inputs.models:
            predictions.append(tmp_path / name / f"{model.stem}-cpu" / f"{name}.npz")
            evaluate_test_sets(model, [(spoilt, predictions[-1])], "cpu", threads=1)
    write_robustness(tmp_path / "robustness.csv", predictions)
    header, *lines = (tmp_path / "robustness.csv").read_text().splitlines(keepends=True)
    others = [line.replace(*other) for line in lines for other in (("pool,", "basic,"), (",cpu,", ",openvino,"))]
    (tmp_path / "robustness.csv").write_text("".join([header, *lines, *others]))
    card = (inputs.bundle(tmp_path / "pool", tmp_path / "robustness.csv") / "README.md").read_text()
    section = card.partition("## On other images")[2].partition("## Latency")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 3  # of int8 alone
    assert rows[2].startswith("| the test set | 60 | 90.00 | ")
    assert rows[2].endswith(" | – | – |")
    assert rows[3].startswith("| lower contrast, severity 5 | 60 | 90.00 | ")
    assert "| 0.00 | " in rows[3]
    assert rows[4].startswith("| mine | 60 | ")
    assert rows[4].endswith(" | – |")
    assert f"{describe_corruptions()} {UNPAIRED}" in section
    assert "On other images" not in (inputs.bundle(tmp_path / "without") / "README.md").read_text()


def test_other_networks_providers_and_hosts_do_not_change_the_card(inputs, tmp_path):
    card = (inputs.bundle(tmp_path / "pool") / "README.md").read_text()
    table = pd.read_csv(inputs.report)
    others = [table.assign(**{name: other}) for name, other in OTHERS.items()]
    pd.concat([table, *others]).to_csv(inputs.report, index=False)
    assert (inputs.bundle(tmp_path / "again/pool") / "README.md").read_text() == card


def test_the_card_describes_the_model_and_why_it_was_chosen(inputs, tmp_path):
    card = (inputs.bundle(tmp_path / "pool") / "README.md").read_text()
    assert "# pool, int8" in card
    assert sha256(tmp_path / "pool/1/model.onnx") in card
    assert "| this file | 90.00 | 79.85 to 95.34 |" in card  # 54 of 60: Wilson's interval
    assert "| this file less its fp32 original (points) | 0.00 | " in card
    assert "100.00 % of the images the same class as its fp32 original" in card
    assert "This is the model that the report recommends." in card
    assert "Compared with pool fp32, it is faster by a factor of 3.0." in card
    why = card.partition("## Why this file")[2].partition("## Accuracy")[0]
    assert [line for line in why.splitlines() if line.startswith("| ") and "90.00" in line] == [
        "| fp32 | 90.00 | 3.00 | 3.75 |",
        "| int8 | 90.00 | 1.00 | 1.25 |",
    ]
    assert "Seed: 0, the first in the configuration's list. It was not chosen by its accuracy" in card
    assert "| 8 | 1 | 10.0 | – | 8.00 | 800 |" in card
    assert "a host" in card
    assert "Alex Krizhevsky" in card
    inputs.collate(precision="fp32")
    other = (inputs.bundle(tmp_path / "other") / "README.md").read_text()
    assert "The configuration asks for fp32; the rule would choose pool int8." in other
    assert "original" not in other


def test_the_card_says_how_much_this_file_loses_against_its_original(inputs, tmp_path):
    stored = load_predictions(inputs.predictions[1])
    stored.probabilities[6:9] = np.roll(stored.probabilities[6:9], 1, axis=1)  # right before
    save_predictions(inputs.predictions[1], stored)
    card = (inputs.bundle(tmp_path / "pool") / "README.md").read_text()
    assert "| this file less its fp32 original (points) | −5.00 | −11.05 to 1.37 |" in card


@pytest.mark.parametrize("dataset", ["CIFAR-10", "my own | images: # <b>"])
def test_the_hub_s_own_parser_reads_the_card(inputs, tmp_path, dataset):
    inputs.collate(dataset=dataset).bundle(tmp_path / "pool")
    card = ModelCard.load(tmp_path / "pool/README.md", ignore_metadata_errors=False)
    known = dataset == "CIFAR-10"
    assert (card.data.library_name, card.data.pipeline_tag) == ("onnx", "image-classification")
    assert card.data.datasets == ([DATASETS["cifar10"].hub] if known else None)
    assert card.data.model_name == "pool-int8"
    own, mean = card.data.eval_results
    assert (own.task_type, own.dataset_name, own.dataset_split) == ("image-classification", dataset, "test")
    assert own.dataset_type == ("uoft-cs/cifar10" if known else "custom")
    assert (own.metric_type, own.metric_value) == ("accuracy", 0.9)
    low, high = proportion_confint(54, 60, method="wilson")
    assert own.metric_args == pytest.approx({"ci_level": 0.95, "ci_low": low, "ci_high": high}, abs=1e-6)
    assert (mean.metric_name, mean.metric_value) == ("test accuracy, mean of 1 seed", 0.9)
    assert card.text.lstrip().startswith("# pool, int8")


def test_what_the_card_says_how_to_do_works(inputs, tmp_path, monkeypatch, capsys):
    inputs.bundle(tmp_path / "pool")
    monkeypatch.chdir(tmp_path / "pool")
    (block,) = re.findall(r"```python\n(.*?)```", (tmp_path / "pool/README.md").read_text(), re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out.strip() in CLASSES


def test_text_from_files_cannot_break_the_card(inputs, tmp_path):
    inputs.collate(dataset="a | b\n# <script>\n---", host="[x](y) `z`").bundle(tmp_path / "pool")
    card = (tmp_path / "pool/README.md").read_text()
    _, metadata, text = re.split(r"^---$", card, maxsplit=2, flags=re.MULTILINE)
    assert yaml.safe_load(metadata)["model-index"][0]["results"][0]["dataset"]["name"] == "a | b # <script> ---"
    assert r"a \| b \# \<script\>" in text
    assert r"\[x\](y) \`z\`" in text


def test_what_does_not_belong_together_is_one_line(inputs, tmp_path):
    fp32, int8 = inputs.models
    predictions, split, test = inputs.predictions, load_split(inputs.test), inputs.test
    inputs.test = tmp_path / "other.npz"
    save_split(inputs.test, split._replace(labels=split.labels[::-1]))
    inputs.refused(r"other\.npz: not the images of the --predictions")
    inputs.test, inputs.predictions = test, predictions[:1]
    inputs.refused(r"int8\.onnx: none of the --predictions is of this file")
    inputs.predictions = predictions
    for number, facts in enumerate(({"seed": "1"}, {"variant": "basic"})):
        other, own = tmp_path / f"other{number}.onnx", tmp_path / f"other{number}.npz"
        evaluate_test_sets(tiny_model(other, precision="int8", **facts), [(inputs.test, own)], "cpu", threads=1)
        inputs.models, inputs.predictions = [fp32, other], [predictions[0], own]
        inputs.refused("of another variant or seed")
    inputs.models, inputs.predictions = [fp32], predictions
    inputs.refused("recommends pool in int8, of which no file is given")
    inputs.models = [fp32, int8]
    int8.write_bytes(int8.read_bytes()[:100])
    inputs.refused(r"int8\.onnx: not a model that loads")


@pytest.mark.parametrize("text", ["", "variant,provider\npool,cpu\n", "\x00\xff", "variant\n" + '"' * 200_000])
@pytest.mark.parametrize("name", ["report", "recommendation"])
def test_damaged_files_are_one_line(inputs, name, text):
    path = getattr(inputs, name)
    path.write_bytes(text.encode("latin-1"))
    inputs.refused(rf"{path.name}: ")
    path.unlink()
    inputs.refused(rf"{path.name}: ")


def test_a_network_without_a_recommendation_is_one_line(inputs):
    content = json.loads(inputs.recommendation.read_text())
    content["recommendations"][0]["precisions"] = {}
    inputs.recommendation.write_text(json.dumps(content))
    inputs.refused(r"recommendation\.json: no precision of pool is recommended where bundles run")
    content["recommendations"] = []
    inputs.recommendation.write_text(json.dumps(content))
    inputs.refused("no precision of pool is recommended")


def test_a_report_and_a_recommendation_of_different_runs_are_refused(inputs):
    recommended = inputs.recommendation.read_text()
    inputs.recommendation.write_text(recommended.replace('"batch_size": 1,', '"batch_size": 2,'))
    inputs.refused(r"report\.csv: has no pool in int8 where .*recommendation\.json recommends it")


def test_a_folder_that_is_there_is_left_alone(inputs, tmp_path):
    folder = tmp_path / "pool"
    folder.mkdir()
    (folder / "mine.txt").write_text("precious")
    with pytest.raises(ResbenchError, match="exists already"):
        inputs.bundle(folder)
    assert (folder / "mine.txt").read_text() == "precious"


def test_an_empty_folder_is_filled_and_a_failure_leaves_none(tmp_path):
    (tmp_path / "a").mkdir()
    mode = (tmp_path / "a").stat().st_mode
    with atomic_folder(tmp_path / "a") as temporary:
        assert temporary.parent == tmp_path  # on the same disk
        (temporary / "x").write_text("x")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x"]
    assert (tmp_path / "a").stat().st_mode == mode  # others can read it, as any folder
    with pytest.raises(ResbenchError, match="exists already"), atomic_folder(tmp_path / "a/x"):
        pass
    with pytest.raises(IsADirectoryError), atomic_folder(tmp_path / "b") as temporary:
        temporary.write_text("fails, since this is a folder")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(("provider", "accelerators"), [("cuda", []), ("tensorrt", ["tensorrt"])])
def test_triton_runs_what_was_measured(provider, accelerators):
    config = text_format.Parse(triton_config("pool", 10, PROVIDERS[provider], 1, [1, 32]), ModelConfig())
    found = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert [accelerator.name for accelerator in found] == accelerators

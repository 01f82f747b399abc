"""The configuration: sound files pass, and every mistake is one line that names its key."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import config_docs
import pytest
import yaml
from jsonschema import Draft202012Validator
from resbench import config as configuration
from resbench.benchmark.presets import LATENCY_PRESETS
from resbench.cli import app
from resbench.common.errors import installing
from resbench.common.variants import variant_names
from resbench.config import Configuration, available_providers
from resbench.data.datasets import DATASETS
from resbench.export.precisions import CALIBRATION_METHODS
from resbench.runtime.providers import PROVIDERS
from resbench.training.protocols import PROTOCOLS
from resbench.training.settings import DEVICES, POLICIES
from typer.main import get_command
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
SCHEMA = Configuration.model_json_schema()


def problems(text: str) -> list[str]:
    return configuration.check(yaml.safe_load(text))


def test_an_empty_configuration_is_completed_with_every_default() -> None:
    config: dict[str, Any] = {}
    assert configuration.check(config) == []
    keys = dict(config_docs.leaves(SCHEMA))
    assert "training.epochs" in keys
    for key, part in keys.items():
        value: Any = config
        for name in key.split("."):
            value = value[name]
        assert value == part["default"], key


def test_defaults_are_copies() -> None:
    config: dict[str, Any] = {}
    configuration.check(config)
    config["seeds"].append(99)
    config["benchmark"]["threads"].clear()
    again: dict[str, Any] = {}
    configuration.check(again)
    assert again["seeds"] == [0, 1, 2]
    assert again["benchmark"]["threads"] == [1]


def test_given_values_stay() -> None:
    config = {"training": {"epochs": 3}, "seeds": [7]}
    assert configuration.check(config) == []
    assert (config["training"]["epochs"], config["training"]["limit"], config["seeds"]) == (3, None, [7])  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "training: {epoch: 3}",
            "config: training.epoch: unknown key; did you mean epochs? (known: protocol, epochs, batch_size, limit,"
            " validation, device, xla, mixed_precision)",
        ),
        (
            "zzz: 1",
            "config: zzz: unknown key (known: data, variants, seeds, training, precisions, quantization, benchmark,"
            " deployment, pathvars)",
        ),
        ("training: {epochs: ten}", "config: training.epochs: 'ten' is not an integer or null"),
        ("training: {epochs: 10.0}", "config: training.epochs: 10.0 is not an integer or null"),
        ("training: {epochs: true}", "config: training.epochs: true is not an integer or null"),
        ("training: {epochs: 0}", "config: training.epochs: 0 is less than 1"),
        ("training: {batch_size: many}", "config: training.batch_size: 'many' is not an integer or null"),
        ("training:", "config: training: null is not a mapping"),
        ("variants: {basic: {}}", "config: variants: {'basic': {}} is not a list"),
        ("variants: []", "config: variants: is empty"),
        (
            "variants: [pol]",
            f"config: variants: 'pol' is unknown; did you mean pool? (known: {', '.join(variant_names())})",
        ),
        ("variants: [pool, pool]", "config: variants: ['pool', 'pool'] names something twice"),
        (
            "benchmark: {providers: [{name: cuda, options: {use_tf32: 0}}, {name: cuda, options: {use_tf32: 1}}]}",
            "config: benchmark.providers: ['cuda', 'cuda'] names something twice",
        ),
        ("seeds: [0, 1, 0]", "config: seeds: [0, 1, 0] names something twice"),
        ("seeds: [-1]", "config: seeds: -1 is less than 0"),
        ("seeds: [4294967296]", "config: seeds: 4294967296 is more than 4294967295"),
        ("training: {xla: 1}", "config: training.xla: 1 is not true or false or null"),
        (
            "training: {on: 1}",
            "config: training.true: unknown key (known: protocol, epochs, batch_size, limit,"
            " validation, device, xla, mixed_precision)",
        ),
        ("precisions: [int8]", "config: precisions: ['int8'] lacks fp32, from which the other precisions are made"),
        ("benchmark: {server_p99_ms: 0}", "config: benchmark.server_p99_ms: 0 is not more than 0.0"),
        ("data: {name: ''}", "config: data.name: is empty"),
        ("data: {name: 12}", "config: data.name: 12 is not a text or null; put it in quotes"),
        ("data: {sources: [no]}", "config: data.sources: false is not a text; put it in quotes"),
        ("data: {sources: a.tar}", "config: data.sources: 'a.tar' is not a list or null; write [a.tar]"),
        ("seeds: 0", "config: seeds: 0 is not a list; write [0]"),
        ("seeds: [1e3]", "config: seeds: '1e3' is not an integer but a text; in a file, write 1000"),
        ("seeds: ['nan']", "config: seeds: 'nan' is not an integer"),
        (
            "benchmark: {server_p99_ms: '0.5'}",
            "config: benchmark.server_p99_ms: '0.5' is not a number but a text; in a file, write 0.5",
        ),
        (
            "training: {null: 1}",
            "config: training.null: unknown key (known: protocol, epochs, batch_size, limit,"
            " validation, device, xla, mixed_precision)",
        ),
        (
            "data: {extra_test_sets: [{name: a, path: b}, {name: a, path: b}]}",
            "config: data.extra_test_sets: ['a', 'a'] names something twice",
        ),
        (
            "benchmark: {providers: [rocm]}",
            "config: benchmark.providers: 'rocm' is unknown (known: cpu, cuda, tensorrt, openvino)",
        ),
    ],
)
def test_a_mistake_is_one_line_that_names_its_key(text: str, line: str) -> None:
    assert problems(text) == [line]


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ("{name: rocm}", "config: benchmark.providers.name: 'rocm' is unknown (known: cpu, cuda, tensorrt, openvino)"),
        (
            "{name: cuda, option: {}}",
            "config: benchmark.providers.option: unknown key; did you mean options? (known: name, options)",
        ),
        ("{options: {}}", "config: benchmark.providers.name: is missing"),
        ("{name: cuda, options: {a: [1]}}", "config: benchmark.providers.options.a: [1] is not a text, a number, true"),
        (
            "{name: cuda, options: {enable_cuda_graph: true}}",
            "config: benchmark.providers: cuda: enable_cuda_graph replays calls on fixed device buffers",
        ),
        ("7", "config: benchmark.providers: 7 is unknown (known: cpu, cuda, tensorrt, openvino)"),
    ],
)
def test_a_mistake_in_a_provider_is_one_line(entry: str, line: str) -> None:
    found = problems(f"benchmark: {{providers: [{entry}]}}")
    assert len(found) == 1
    assert found[0].startswith(line)


def test_providers_are_chosen_with_their_options_as_texts() -> None:
    entries = ["cpu", {"name": "cuda", "options": {"use_tf32": False, "gpu_mem_limit": 1000, "x": "EXHAUSTIVE"}}]
    chosen = configuration.choose_providers({"providers": entries, "skip_unavailable": False})
    assert chosen == ({"cpu": {}, "cuda": {"use_tf32": "0", "gpu_mem_limit": "1000", "x": "EXHAUSTIVE"}}, [])


def test_an_unavailable_provider_is_left_out_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available_providers, "_unavailable", lambda name: "" if name == "cpu" else "no NVIDIA GPU here")
    entries = ["cuda", "cpu"]
    assert list(configuration.choose_providers({"providers": entries, "skip_unavailable": False})[0]) == entries
    chosen = configuration.choose_providers({"providers": entries, "skip_unavailable": True})
    assert chosen == ({"cpu": {}}, ["cuda was left out: no NVIDIA GPU here"])


def test_what_is_missing_here_is_a_line_for_each_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available_providers, "_unavailable", lambda name: "" if name == "cpu" else "no NVIDIA GPU here")
    monkeypatch.setattr(available_providers, "find_spec", lambda name: None)
    benchmark = {"providers": ["cpu", {"name": "cuda"}], "skip_unavailable": False, "scenarios": "smoke"}
    assert configuration.missing_here(benchmark) == [
        "config: benchmark.providers: cuda: no NVIDIA GPU here",
        f"config: benchmark.scenarios: LoadGen is not installed; {installing('scenarios')}",
    ]
    assert configuration.missing_here(benchmark | {"skip_unavailable": True, "scenarios": None}) == []


@pytest.mark.parametrize(
    "text",
    [
        "data: {sha256: 6d958be0}",
        f"data: {{sha256: '{'0' * 64}\n\n'}}",
        "data: {extra_test_sets: [{name: test, path: a}]}",
        "data: {extra_test_sets: [{name: contrast-3, path: a}]}",
        "pathvars: {results: 'out/{variant}'}",
        "pathvars: {results: $SCRATCH/run}",
    ],
)
def test_texts_that_cannot_work_are_refused(text: str) -> None:
    assert len(problems(text)) == 1


def test_all_mistakes_are_reported_at_once() -> None:
    assert len(problems("{seeds: [0, 0], training: {epochs: 0}, benchmark: {round: 1}}")) == 3


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_every_file_of_the_project_is_sound(path: Path) -> None:
    assert configuration.check(yaml.safe_load(path.read_text())) == []


def test_no_mapping_lets_a_typo_pass() -> None:
    for section in (SCHEMA, *SCHEMA["$defs"].values()):
        assert section["additionalProperties"] is False


def test_every_key_is_described() -> None:
    for key, part in config_docs.leaves(SCHEMA):
        assert part.get("description"), key


@pytest.mark.parametrize("path", [config_docs.README, config_docs.SCHEMA], ids=lambda path: path.name)
def test_what_is_made_from_the_model_is_current(path: Path) -> None:
    current = config_docs.readme() if path == config_docs.README else config_docs.json_schema()
    assert path.read_text() == current, "run `make docs`"


def test_the_schema_accepts_what_the_model_accepts_in_the_files_of_the_project() -> None:
    schema = json.loads(config_docs.SCHEMA.read_text())
    validator = Draft202012Validator(schema)
    for path in (ROOT / "config").glob("*.yaml"):
        assert list(validator.iter_errors(yaml.safe_load(path.read_text()))) == []
    assert list(validator.iter_errors({"training": {"epoch": 3}}))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("seeds: [0]\ntraining: {limit: 1}\nseeds: [1]\n", ["seeds is given twice, in line 1 and in line 3; keep one"]),
        (
            "training:\n  epochs: 1\n  limit: 2\n  epochs: 3\n",
            ["training.epochs is given twice, in line 2 and in line 4; keep one"],
        ),
        (
            "benchmark:\n  providers:\n    - {name: cuda, name: cpu}\n",
            ["benchmark.providers.name is given twice, in line 3 and in line 3; keep one"],
        ),
        ('{"seeds": [0], "seeds": [1]}', ["seeds is given twice, in line 1 and in line 1; keep one"]),
        ("base: &base {a: 1}\nother: {<<: *base, a: 2}\n", []),
        ("training: {epochs: 1}\nquantization: {images: 1}\n", []),
        ("", []),
        ('{\t"seeds": [0]}', []),
    ],
)
def test_a_key_that_stands_twice_is_named_with_its_lines(text: str, lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert configuration.duplicate_keys(path) == [f"{path}: {line}" for line in lines]


@pytest.mark.parametrize(
    ("command", "option", "names"),
    [
        ("download", "dataset", DATASETS),
        ("train", "protocol", PROTOCOLS),
        ("train", "device", DEVICES),
        ("train", "mixed_precision", POLICIES),
        ("evaluate", "provider", PROVIDERS),
        ("latency", "preset", LATENCY_PRESETS),
        ("quantize", "method", CALIBRATION_METHODS),
    ],
)
def test_the_command_line_offers_what_the_registries_hold(command: str, option: str, names: Iterable[str]) -> None:
    (parameter,) = [one for one in get_command(app).commands[command].params if one.name == option]
    assert parameter.metavar == f"<{'|'.join(names)}>"


def test_a_name_that_no_registry_holds_is_refused_as_wrong_usage() -> None:
    words = ["train", "pool", "--data", "x", "--seed", "0", "--model", "m.keras", "--history", "h.csv"]
    result = CliRunner().invoke(app, [*words, "--protocol", "he2016"], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert f"'he2016' is not one of {', '.join(PROTOCOLS)}" in result.output

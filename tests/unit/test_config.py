"""The configuration: sound files pass, and every mistake is one line that names its key."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from resbench import cli
from resbench import config as configuration
from resbench.benchmark import latency, scenarios
from resbench.data.datasets import DATASETS
from resbench.export import quantize
from resbench.runtime.providers import PROVIDERS

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
VARIANTS = ["basic", "bottleneck", "pool"]


def leaves(schema: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every key of the schema, dotted, with its default."""
    found: dict[str, Any] = {}
    for key, part in schema["properties"].items():
        found |= leaves(part, f"{prefix}{key}.") if "properties" in part else {prefix + key: part["default"]}
    return found


def mappings(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [schema, *(inner for part in schema.get("properties", {}).values() for inner in mappings(part))]


def problems(text: str) -> list[str]:
    return configuration.check(yaml.safe_load(text), SCHEMA, VARIANTS)


def test_an_empty_configuration_is_completed_with_every_default() -> None:
    config: dict[str, Any] = {}
    assert configuration.check(config, SCHEMA, VARIANTS) == []
    for key, default in leaves(SCHEMA).items():
        value: Any = config
        for part in key.split("."):
            value = value[part]
        assert value == default, key


def test_defaults_are_copies() -> None:
    before = copy.deepcopy(SCHEMA)
    config: dict[str, Any] = {}
    configuration.check(config, SCHEMA, VARIANTS)
    config["seeds"].append(99)
    config["benchmark"]["threads"].clear()
    assert before == SCHEMA


def test_given_values_stay() -> None:
    config = {"training": {"epochs": 3}, "seeds": [7]}
    assert configuration.check(config, SCHEMA, VARIANTS) == []
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
        ("training: {epochs: ten}", "config: training.epochs: 'ten' is not a whole number or null"),
        ("training: {epochs: 10.0}", "config: training.epochs: 10.0 is not a whole number or null"),
        ("training: {epochs: true}", "config: training.epochs: True is not a whole number or null"),
        ("training: {epochs: 0}", "config: training.epochs: 0 is less than 1"),
        ("training: {batch_size: many}", "config: training.batch_size: 'many' is not a whole number or null"),
        ("training:", "config: training: None is not a mapping"),
        ("variants: {basic: {}}", "config: variants: {'basic': {}} is not a list"),
        ("variants: []", "config: variants: is empty"),
        ("variants: [pol]", "config: variants: 'pol' is unknown; did you mean pool? (known: basic, bottleneck, pool)"),
        ("variants: [pool, pool]", "config: variants: ['pool', 'pool'] names something twice"),
        ("seeds: [0, 1, 0]", "config: seeds: [0, 1, 0] names something twice"),
        ("seeds: [-1]", "config: seeds: -1 is less than 0"),
        ("seeds: [4294967296]", "config: seeds: 4294967296 is more than 4294967295"),
        ("data: {name: ''}", "config: data.name: is empty"),
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
        ("{options: {}}", "config: benchmark.providers: 'name' is a required property"),
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


def test_a_provider_that_cannot_be_had_is_left_out_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "_unavailable", lambda name: "" if name == "cpu" else "no NVIDIA GPU here")
    entries = ["cuda", "cpu"]
    assert list(configuration.choose_providers({"providers": entries, "skip_unavailable": False})[0]) == entries
    chosen = configuration.choose_providers({"providers": entries, "skip_unavailable": True})
    assert chosen == ({"cpu": {}}, ["cuda was left out: no NVIDIA GPU here"])


@pytest.mark.parametrize("text", ["data: {sha256: 6d958be0}", "pathvars: {results: 'out/{variant}'}"])
def test_texts_that_cannot_work_are_refused(text: str) -> None:
    assert len(problems(text)) == 1


def test_all_mistakes_are_told_at_once() -> None:
    assert len(problems("{seeds: [0, 0], training: {epochs: 0}, benchmark: {round: 1}}")) == 3


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_every_file_of_the_project_is_sound(path: Path) -> None:
    assert configuration.check(yaml.safe_load(path.read_text()), SCHEMA, configuration.variant_names()) == []


def test_no_mapping_of_the_schema_lets_a_typo_pass() -> None:
    for mapping in mappings(SCHEMA):
        assert mapping.get("type") != "object" or mapping["additionalProperties"] is False


def test_the_readme_lists_every_key_with_its_default() -> None:
    text = (ROOT / "config/README.md").read_text()
    rows = re.findall(r"^\| `([a-z_0-9.]+)` \| [^|]+ \| ([^|]+) \|[^|]+\|$", text, re.MULTILINE)
    defaults = leaves(SCHEMA)
    assert [key for key, _ in rows] == list(defaults)
    for key, cell in rows:
        assert yaml.safe_load(cell.strip("` ")) == defaults[key], key


def test_the_command_line_and_the_code_know_the_same_names() -> None:
    of = {
        f"{section}.{key}": part
        for section, mapping in SCHEMA["properties"].items()
        for key, part in mapping.get("properties", {}).items()
    }
    precisions = SCHEMA["properties"]["precisions"]["items"]["enum"]
    providers = of["benchmark.providers"]["items"]
    assert list(DATASETS) == of["data.dataset"]["enum"]
    assert list(cli.Device) == of["training.device"]["enum"]
    assert ["fp32", *cli.Precision] == precisions
    assert ["fastest", *precisions] == of["deployment.precision"]["enum"]
    assert list(cli.Calibration) == list(quantize.METHODS) == of["quantization.method"]["enum"]
    assert list(PROVIDERS) == providers["else"]["enum"]
    assert providers["then"]["properties"]["name"]["enum"] == providers["else"]["enum"]
    assert list(cli.LatencyPreset) == list(latency.PRESETS) == of["benchmark.preset"]["enum"]
    assert [*cli.ScenarioPreset, None] == [*scenarios.PRESETS, None] == of["benchmark.scenarios"]["enum"]

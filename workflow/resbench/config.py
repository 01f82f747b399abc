"""The configuration as one model: keys, types, defaults, descriptions, and what is wrong with a file."""

import difflib
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from resbench.benchmark.presets import LATENCY_PRESETS, SCENARIO_PRESETS
from resbench.common.errors import ResbenchError
from resbench.common.variants import variant_file, variant_names
from resbench.data.datasets import DATASETS
from resbench.export.precisions import CALIBRATION_METHODS, FP32, PRECISIONS
from resbench.runtime.providers import PROVIDERS
from resbench.training.protocols import PROTOCOLS
from resbench.training.settings import DEVICES, POLICIES

# What each of pydantic's complaints about a type asks for.
KINDS = {
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "list_type": "a list",
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}


def _refusal(words: str) -> PydanticCustomError:
    """An error whose message are these words, whatever braces they hold."""
    return PydanticCustomError("refused", "{words}", {"words": words})


def _known(value: Any, names: Iterable[str]) -> Any:
    if value not in names:
        raise _refusal(f"{value!r} is unknown{_suggestion(value, list(names))}")
    return value


@dataclass(frozen=True)
class OneOf:
    """Metadata of a text that must be one of `names`."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"enum": list(self.names)}

    def _check(self, value: Any) -> Any:
        return _known(value, self.names)


def one_of(names: Iterable[str]) -> OneOf:
    """Return the metadata of a text that must be one of these names, such as a registry's keys."""
    return OneOf(tuple(names))


@dataclass(frozen=True)
class Matching:
    """Metadata of a text that must match a pattern, with what is wrong where it does not."""

    pattern: str
    otherwise: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | {"pattern": self.pattern}

    def _check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise _refusal(f"{value!r} {self.otherwise}")
        return value


def _distinct(values: list[Any]) -> list[Any]:
    if any(value in values[:i] for i, value in enumerate(values)):
        raise _refusal(f"{values!r} names something twice")
    return values


def _distinct_names(test_sets: list[Any]) -> list[Any]:
    names = [test_set.name for test_set in test_sets]
    if names:
        from resbench.data.corruptions import parse_name  # imports numpy, which few configurations need

        for name in [name for name in names if name == "test" or parse_name(name)]:
            raise _refusal(f"{name!r} is the name of another test set")
    _distinct(names)
    return test_sets


def _with_fp32(values: list[str]) -> list[str]:
    if FP32 not in values:
        raise PydanticCustomError(
            "fp32", "{words}", {"words": f"{values!r} lacks {FP32}, which the others are made from"}
        )
    return values


def _scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise _refusal(f"{value!r} is not a text, a number, true or false")
    return value


def _variant(name: Any) -> Any:
    try:
        variant_file(_known(name, variant_names()))
    except ResbenchError as error:
        raise _refusal(str(error)) from error
    return name


SCALAR = {"type": ["string", "number", "boolean"]}
# Metadata of lists and numbers that several keys have.
DISTINCT = AfterValidator(_distinct)
NOT_EMPTY = Field(min_length=1, json_schema_extra={"uniqueItems": True})
PROTOCOL_TITLES = "; ".join(f"`{record.name}`: {record.summary}" for record in PROTOCOLS.values())
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Folder = Annotated[str, Matching("^[^<>{}]+$", "is no folder: it may not be empty nor hold < > { }")]
# Files that are found, not records: the JSON Schema holds no list of them.
Variant = Annotated[str, BeforeValidator(_variant)]
Precision = Annotated[str, one_of(PRECISIONS)]


class Section(BaseModel):
    """A mapping that takes the keys it knows, in exactly their types."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class ExtraTestSet(Section):
    """A further test set."""

    name: Annotated[str, Matching("^[A-Za-z0-9][A-Za-z0-9_.-]*$", "is no name of letters, digits, points and dashes")]
    path: Text
    labels: Text | None = None


class Data(Section):
    """The images."""

    dataset: Annotated[str, one_of(DATASETS)] = "cifar10"
    """whose sources and hash to take; `digits` are scikit-learn's handwritten digits, which need no network; `custom`
    are your own images"""
    name: Text | None = None
    """what images of no known dataset are called in the report; null: as their source"""
    sources: Annotated[list[Text], NOT_EMPTY, DISTINCT] | None = None
    """where the archive is, tried in this order: a URL, a path (relative to the working directory) or `digits`; null:
    the dataset's"""
    sha256: (
        Annotated[str, Matching("^([0-9a-fA-F]{64}|auto)$", "is neither 64 hexadecimal digits nor `auto`")] | None
    ) = "auto"
    """hash of the archive, 64 hex digits; `auto`: the dataset's; null takes any file, with a warning"""
    min_rate_kb: Annotated[int, Field(ge=0)] = 200
    """a source slower than this many kB/s is left for the next"""
    window_s: Count = 20
    """seconds over which that rate is measured"""
    extra_test_sets: Annotated[list[ExtraTestSet], DISTINCT, AfterValidator(_distinct_names)] = []
    """further images of the same classes, `{name: cifar10.1, path: cifar10.1_v6_data.npy}`: a folder of pictures, an
    archive, or a .npy file (with `labels: FILE` where these are not beside it) → `robustness.csv`"""
    corruptions: Annotated[list[Annotated[int, Field(ge=1, le=5)]], DISTINCT] = []
    """severities, 1 to 5, at which copies of the test images with noise, blur, JPEG, less contrast and more brightness
    are tested → `robustness.csv`"""


class Training(Section):
    """How the networks are trained."""

    protocol: Annotated[str, one_of(PROTOCOLS), Field(description=PROTOCOL_TITLES)] = "notebook"
    epochs: Count | None = None
    """passes over the training images; null: the protocol's full run"""
    batch_size: Count | None = None
    """images per step; null: the protocol's"""
    limit: Count | None = None
    """use only the first images; null: all"""
    validation: Annotated[int, Field(ge=0)] = 0
    """hold out this many training images and measure them after each epoch"""
    device: Annotated[str, one_of(DEVICES)] = "auto"
    """where it runs; `auto`: on the GPU where there is one; a change alone trains nothing anew"""
    xla: bool | None = None
    """compile with XLA, which gives up bit-for-bit repetition; null: on a GPU only"""
    mixed_precision: Annotated[str, one_of(POLICIES)] | None = None
    """arithmetic of the layers, with float32 weights; `bfloat16` is 1.6 to 4 times faster on processors with AMX;
    null: `float16` on a GPU, `none` on a CPU"""


class Quantization(Section):
    """How int8 models are made."""

    images: Count = 512
    """how many of the images that a model was trained on it is calibrated on"""
    method: Annotated[str, one_of(CALIBRATION_METHODS)] = "minmax"
    """how the range of an activation is chosen ([compared](../docs/methodology.md#precisions))"""
    seed: Annotated[int, Field(ge=0)] = 0
    """of the choice of those images"""


class ProviderWithOptions(Section):
    """An execution provider with options of its runtime."""

    name: Annotated[str, one_of(PROVIDERS)]
    options: dict[str, Annotated[Any, AfterValidator(_scalar), WithJsonSchema(SCALAR)]] = {}

    @model_validator(mode="after")
    def _refuse_options_that_cannot_work(self) -> "ProviderWithOptions":
        for option, value in self.options.items():
            if reason := PROVIDERS[self.name].refusal(option, option_text(value)):
                raise PydanticCustomError("refused_option", "{reason}", {"reason": f"{self.name}: {reason}"})
        return self


def option_text(value: Any) -> str:
    """Return an option's value as the runtimes take it: true is 1."""
    return str(int(value) if isinstance(value, bool) else value)


def _entry_tag(entry: Any) -> str:
    return "<mapping>" if isinstance(entry, dict | ProviderWithOptions) else "<name>"


ProviderEntry = Annotated[
    Annotated[str, one_of(PROVIDERS), Tag("<name>")] | Annotated[ProviderWithOptions, Tag("<mapping>")],
    Discriminator(_entry_tag),
]


class Benchmark(Section):
    """What is measured, and for how long."""

    providers: Annotated[list[ProviderEntry], NOT_EMPTY, DISTINCT] = ["cpu"]
    """execution providers, or one with options of its runtime: `{name: cuda, options: {use_tf32: 0}}`"""
    skip_unavailable: bool = False
    """leave out, with a note, a provider that the machine Snakemake runs on cannot have; false: that is an error"""
    batch_sizes: Annotated[list[Count], NOT_EMPTY, DISTINCT] = [1, 32]
    """images per call"""
    threads: Annotated[list[Count], NOT_EMPTY, DISTINCT] = [1]
    """threads of the runtime"""
    preset: Annotated[str, one_of(LATENCY_PRESETS)] = "quick"
    """how long latency is measured: `smoke` seconds, `quick` about a minute a model, `thorough` enough for a 99th
    percentile"""
    rounds: Count | None = None
    """fresh processes for each model and setting; null: the preset's"""
    measured_elsewhere: Annotated[list[Text], DISTINCT] = []
    """folders that `resbench measure` wrote on other machines or with other runtimes: further environments in the
    report, with tables of their own"""
    profile: bool = False
    """profile every timed model on the CPU → `profile/cpu/operators.csv` and the page: which operators and layers the
    time goes to"""
    scenarios: Annotated[str, one_of(SCENARIO_PRESETS)] | None = None
    """MLPerf's scenarios on LoadGen → `scenarios.csv`: `smoke` a minute or two a model, `mlperf` the official lengths,
    over half an hour; null: none"""
    server_p99_ms: Annotated[float, Field(gt=0)] = 100
    """the bound of the 99th percentile in the Server scenario, in ms"""


class Deployment(Section):
    """Which models are bundled."""

    precision: Annotated[str, one_of(["fastest", *PRECISIONS])] = "fastest"
    """`fastest` leaves it to the recommendation; a precision overrides it, which recommendation.json records"""


class Pathvars(Section):
    """Where files go."""

    results: Folder = "results"
    """folder of all outputs"""
    logs: Folder = "logs"
    """folder of the jobs' logs"""
    benchmarks: Folder = "benchmarks"
    """folder of the jobs' run times and memory"""


class Configuration(Section):
    """What a configuration may hold; config/README.md is made from this model."""

    data: Data = Data()
    variants: Annotated[list[Variant], NOT_EMPTY, DISTINCT] = ["basic", "pool", "bottleneck"]
    """networks to compare: files in `workflow/resbench/networks/variants`, or your own in a folder `variants` where
    Snakemake runs"""
    seeds: Annotated[list[Annotated[int, Field(ge=0, le=2**32 - 1)]], NOT_EMPTY, DISTINCT] = [0, 1, 2]
    """one training of each variant for each; the first seed's models are timed"""
    training: Training = Training()
    precisions: Annotated[list[Precision], NOT_EMPTY, DISTINCT, AfterValidator(_with_fp32)] = ["fp32", "int8"]
    """number formats of the exported models: `fp32` always, `int8` for processors, `fp16` for GPUs"""
    quantization: Quantization = Quantization()
    benchmark: Benchmark = Benchmark()
    deployment: Deployment = Deployment()
    pathvars: Pathvars = Pathvars()


def check(config: dict[str, Any]) -> list[str]:
    """Fill `config` with the defaults, in place, and return what is wrong with it.

    Args:
        config: As read from YAML.

    Returns:
        One line for each problem, naming the key; none where the configuration is sound.
    """
    try:
        complete = Configuration.model_validate(config).model_dump()
    except ValidationError as error:
        problems = sorted(error.errors(), key=lambda problem: [str(part) for part in problem["loc"]])
        return [f"config: {_line(problem)}" for problem in problems]
    config.clear()
    config.update(complete)
    return []


def duplicate_keys(path: Path) -> list[str]:
    """Return a line for each key that stands twice in a YAML file, of which YAML itself keeps the last without a word.

    None for a file that is no YAML: Snakemake reads JSON, too.
    """
    try:
        with path.open() as stream:
            root = yaml.compose(stream, yaml.SafeLoader)
    except yaml.YAMLError:
        return []
    return [f"{path}: {line}" for line in _duplicates(root, "")] if root else []


def _duplicates(node: yaml.Node, prefix: str) -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _duplicates(entry, prefix)
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            line, name = key.start_mark.line + 1, f"{prefix}{key.value}"
            if name in first:
                yield f"{name} stands twice, in line {first[name]} and in line {line}; keep one"
            first.setdefault(name, line)
            yield from _duplicates(value, f"{name}.")


def choose_providers(benchmark: dict[str, Any]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The execution providers to measure, each with its options as texts, and a line for each that is left out.

    With `skip_unavailable`, those are left out that this machine cannot have; each is tried in a
    process of its own, so that none holds on to a GPU.
    """
    chosen: dict[str, dict[str, str]] = {}
    skipped = []
    for entry in benchmark["providers"]:
        name, options = (entry, {}) if isinstance(entry, str) else (entry["name"], entry.get("options", {}))
        reason = _unavailable(name) if benchmark["skip_unavailable"] else ""
        if reason:
            skipped.append(f"{name} was left out: {reason}")
        else:
            chosen[name] = {key: option_text(value) for key, value in options.items()}
    return chosen, skipped


def _unavailable(provider: str) -> str:
    """Why a model cannot run there; empty where it can."""
    if not PROVIDERS[provider].extra:
        return ""
    command = [sys.executable, "-m", "resbench.runtime.probe", provider]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    probe = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    said = probe.stderr.strip().splitlines() or [f"trying it ended with status {probe.returncode}"]
    return said[-1] if probe.returncode else ""


def _line(problem: ErrorDetails) -> str:
    """Say in one line, with the dotted key, what pydantic complains about."""
    path = [part for part in problem["loc"] if isinstance(part, str) and part[:1] not in "<["]
    key, value, limits = ".".join(path), problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key{_suggestion(path[-1], _keys(path[:-1]))}"
        case "invalid_key":  # a number, or a word such as `on` that YAML reads as true
            return f"{'.'.join([*path, str(value)])}: unknown key{_suggestion(value, _keys(path))}"
        case "missing":
            return f"{key}: is missing"
        case "too_short" | "string_too_short":
            return f"{key}: is empty"
        case "greater_than_equal":
            return f"{key}: {value!r} is less than {limits['ge']}"
        case "greater_than":
            return f"{key}: {value!r} is not more than {limits['gt']}"
        case "less_than_equal":
            return f"{key}: {value!r} is more than {limits['le']}"
        case kind if kind in KINDS:
            return f"{key}: {value!r} is not {KINDS[kind]}{' or null' if _takes_null(path) else ''}"
    return f"{key}: {problem['msg']}"


def _section(path: list[str]) -> type[BaseModel]:
    """The model of the mapping at that dotted path."""
    if path == ["benchmark", "providers"]:
        return ProviderWithOptions
    if path == ["data", "extra_test_sets"]:
        return ExtraTestSet
    section: Any = Configuration
    for name in path:
        section = section.model_fields[name].annotation
    return section


def _keys(path: list[str]) -> list[str]:
    return list(_section(path).model_fields)


def _takes_null(path: list[str]) -> bool:
    *parents, name = path
    field = _section(parents).model_fields.get(name)
    return field is not None and type(None) in get_args(field.annotation)


def _suggestion(word: Any, known: list[str]) -> str:
    close = difflib.get_close_matches(str(word), known, 1)
    return (f"; did you mean {close[0]}?" if close else "") + f" (known: {', '.join(known)})"

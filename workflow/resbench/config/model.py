"""The configuration as one model: keys, types, defaults and descriptions."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from resbench.benchmark.presets import LATENCY_PRESETS, SCENARIO_PRESETS
from resbench.common.errors import ResbenchError
from resbench.common.variants import variant_file, variant_names
from resbench.config.fields import Matching, known, one_of, refusal, shown
from resbench.data.datasets import DATASETS
from resbench.export.precisions import CALIBRATION_METHODS, FP32, PRECISIONS
from resbench.runtime.providers import PROVIDERS
from resbench.training.protocols import PROTOCOLS
from resbench.training.settings import DEVICES, POLICIES


def _distinct(values: list[Any]) -> list[Any]:
    if any(value in values[:i] for i, value in enumerate(values)):
        raise refusal(f"{values!r} names something twice")
    return values


def _distinct_names(test_sets: list[Any]) -> list[Any]:
    names = [test_set.name for test_set in test_sets]
    if names:
        from resbench.data.corruptions import parse_name  # imports numpy, which few configurations need

        for name in [name for name in names if name == "test" or parse_name(name)]:
            raise refusal(f"{name!r} is the name of another test set")
    _distinct(names)
    return test_sets


def _distinct_providers(entries: list[Any]) -> list[Any]:
    _distinct([entry if isinstance(entry, str) else entry.name for entry in entries])
    return entries


def _with_fp32(values: list[str]) -> list[str]:
    if FP32 not in values:
        raise refusal(f"{values!r} lacks {FP32}, from which the other precisions are made")
    return values


def _scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise refusal(f"{shown(value)} is not a text, a number, true or false")
    return value


def _variant(name: Any) -> Any:
    try:
        variant_file(known(name, variant_names()))
    except ResbenchError as error:
        raise refusal(str(error)) from error
    return name


SCALAR = {"type": ["string", "number", "boolean"]}
# Metadata of lists and numbers that several keys have.
DISTINCT = AfterValidator(_distinct)
NOT_EMPTY = Field(min_length=1, json_schema_extra={"uniqueItems": True})
PROTOCOL_TITLES = "; ".join(f"`{record.name}`: {record.summary}" for record in PROTOCOLS.values())
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Folder = Annotated[
    str, Matching("^[^<>{}$]+$", "is not a folder name: it must not be empty or contain <, >, {, } or $")
]
# Variants are files instead of records: the JSON Schema has no list of them.
Variant = Annotated[str, BeforeValidator(_variant)]
Precision = Annotated[str, one_of(PRECISIONS)]


class Section(BaseModel):
    """A mapping that accepts only known keys, with exactly their types."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class ExtraTestSet(Section):
    """A further test set."""

    name: Annotated[str, Matching("^[A-Za-z0-9][A-Za-z0-9_.-]*$", "may contain only letters, digits, '_', '.' and '-'")]
    path: Text
    labels: Text | None = None


class Data(Section):
    """The images."""

    dataset: Annotated[str, one_of(DATASETS)] = "cifar10"
    """whose sources and hash to use; `digits` are scikit-learn's handwritten digits, which need no network; `custom`
    are your own images"""
    name: Text | None = None
    """name in the report of images of no known dataset; null: that of their source"""
    sources: Annotated[list[Text], NOT_EMPTY, DISTINCT] | None = None
    """where the archive is, tried in this order: a URL, a path (relative to the working directory) or `digits`; null:
    the dataset's"""
    sha256: (
        Annotated[str, Matching("^([0-9a-fA-F]{64}|auto)$", "is neither 64 hexadecimal digits nor `auto`")] | None
    ) = "auto"
    """hash of the archive, 64 hex digits; `auto`: the dataset's; null accepts any file, with a warning"""
    min_rate_kb: Annotated[int, Field(ge=0)] = 200
    """a source slower than this many kB/s is left for the next"""
    window_s: Count = 20
    """seconds over which that rate is measured"""
    extra_test_sets: Annotated[list[ExtraTestSet], AfterValidator(_distinct_names)] = []
    """further images of the same classes, `{name: cifar10.1, path: cifar10.1_v6_data.npy}`: a folder of pictures, an
    archive, or a .npy file (with `labels: FILE` where these are not next to it) → `robustness.csv`"""
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
    """where it runs; `auto`: on the GPU where there is one; changing it does not repeat any training"""
    xla: bool | None = None
    """compile with XLA, with which results are not repeatable bit for bit; null: on a GPU only"""
    mixed_precision: Annotated[str, one_of(POLICIES)] | None = None
    """arithmetic of the layers, with float32 weights; `bfloat16` is 1.6 to 4 times faster on processors with AMX;
    null: `float16` on a GPU, `none` on a CPU"""


class Quantization(Section):
    """How int8 models are made."""

    images: Count = 512
    """how many training images are used for calibration"""
    method: Annotated[str, one_of(CALIBRATION_METHODS)] = "minmax"
    """how the range of an activation is chosen ([compared](../docs/methodology.md#precisions))"""
    seed: Annotated[int, Field(ge=0)] = 0
    """seed of the choice of those images"""


class ProviderWithOptions(Section):
    """An execution provider with options of its runtime."""

    name: Annotated[str, one_of(PROVIDERS)]
    options: dict[str, Annotated[Any, AfterValidator(_scalar), WithJsonSchema(SCALAR)]] = {}

    @model_validator(mode="after")
    def _refuse_options_that_cannot_work(self) -> "ProviderWithOptions":
        for option, value in self.options.items():
            if reason := PROVIDERS[self.name].refusal(option, option_text(value)):
                raise refusal(f"{self.name}: {reason}")
        return self


def option_text(value: Any) -> str:
    """Return an option's value as the runtimes take it: true is 1.

    Args:
        value: The value in the configuration.

    Returns:
        The text.
    """
    return str(int(value) if isinstance(value, bool) else value)


def _entry_tag(entry: Any) -> str:
    return "<mapping>" if isinstance(entry, dict | ProviderWithOptions) else "<name>"


ProviderEntry = Annotated[
    Annotated[str, one_of(PROVIDERS), Tag("<name>")] | Annotated[ProviderWithOptions, Tag("<mapping>")],
    Discriminator(_entry_tag),
]


class Benchmark(Section):
    """What is measured, and for how long."""

    providers: Annotated[list[ProviderEntry], NOT_EMPTY, AfterValidator(_distinct_providers)] = ["cpu"]
    """execution providers, or one with options of its runtime: `{name: cuda, options: {use_tf32: 0}}`"""
    skip_unavailable: bool = False
    """leave out, with a note, a provider that is not available on the machine that runs Snakemake; false: an error"""
    batch_sizes: Annotated[list[Count], NOT_EMPTY, DISTINCT] = [1, 32]
    """images per call"""
    threads: Annotated[list[Count], NOT_EMPTY, DISTINCT] = [1]
    """threads of the runtime"""
    preset: Annotated[str, one_of(LATENCY_PRESETS)] = "quick"
    """how long latency is measured: `smoke` seconds, `quick` about a minute for each model, `thorough` enough for a
    99th percentile"""
    rounds: Count | None = None
    """fresh processes for each model and setting; null: the preset's"""
    measured_elsewhere: Annotated[list[Text], DISTINCT] = []
    """folders that `resbench measure` wrote on other machines or with other runtimes: further environments in the
    report, with tables of their own"""
    profile: bool = False
    """profile every timed model on the CPU → `profile/cpu/operators.csv` and the page: the share of each operator and
    layer in the time"""
    scenarios: Annotated[str, one_of(SCENARIO_PRESETS)] | None = None
    """MLPerf's scenarios on LoadGen → `scenarios.csv`: `smoke` one or two minutes for each model, `mlperf` the official
    lengths, over half an hour; null: none"""
    server_p99_ms: Annotated[float, Field(gt=0)] = 100
    """the largest 99th percentile in the Server scenario, in ms"""


class Deployment(Section):
    """Which models are bundled."""

    precision: Annotated[str, one_of(["fastest", *PRECISIONS])] = "fastest"
    """`fastest` takes that of the recommendation; a precision overrides it, which recommendation.json records"""


class Pathvars(Section):
    """Where files go."""

    results: Folder = "results"
    """folder of all outputs; each experiment needs one of its own"""
    logs: Folder = "logs"
    """folder of the jobs' logs"""
    benchmarks: Folder = "benchmarks"
    """folder of the jobs' run times and memory"""


class Configuration(Section):
    """The configuration; config/README.md is made from this model."""

    data: Data = Data()
    variants: Annotated[list[Variant], NOT_EMPTY, DISTINCT] = ["basic", "pool", "bottleneck"]
    """networks to compare: files in `workflow/resbench/networks/variants`, or your own in a folder `variants` where
    Snakemake runs"""
    seeds: Annotated[list[Annotated[int, Field(ge=0, le=2**32 - 1)]], NOT_EMPTY, DISTINCT] = [0, 1, 2]
    """each variant is trained once with each seed; the first seed's models are timed"""
    training: Training = Training()
    precisions: Annotated[list[Precision], NOT_EMPTY, DISTINCT, AfterValidator(_with_fp32)] = ["fp32", "int8"]
    """number formats of the exported models: `fp32` always, `int8` for processors, `fp16` for GPUs"""
    quantization: Quantization = Quantization()
    benchmark: Benchmark = Benchmark()
    deployment: Deployment = Deployment()
    pathvars: Pathvars = Pathvars()

"""recommendation.json: its records, which page, report.md, card and bundle read; `decision` makes them."""

import json
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from resbench.common.errors import ResbenchError
from resbench.common.files import read_json
from resbench.common.markdown import table
from resbench.statistics.verdicts import ACCURACY_MARGIN, LATENCY_MARGIN, Verdict

FASTEST = "fastest"  # deployment.precision: leave it to the rule
Key = tuple[str, str]  # variant, precision


class Record(BaseModel):
    """Base of all records of the file: they are immutable and have no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class Candidate(Record):
    """One model at one setting, as measured.

    Latencies are of one call. A caller sees the median; models are ranked by the shortest call, the least disturbed.
    """

    variant: str
    precision: str
    accuracy: float = Field(ge=0, le=1, description="test accuracy, mean over seeds, a fraction")
    accuracy_low: float | None = Field(None, description="lower end of its 95 % interval")
    accuracy_high: float | None = Field(None, description="upper end of its 95 % interval")
    latency_p50_ms: float = Field(gt=0, description="median latency, ms")
    latency_min_ms: float = Field(gt=0, description="shortest call, ms")
    model_bytes: float | None = Field(None, gt=0, description="size of the .onnx file")

    @property
    def key(self) -> Key:
        """Return (variant, precision)."""
        return self.variant, self.precision

    @property
    def name(self) -> str:
        """Return the model's name for readers: `pool int8`."""
        return f"{self.variant} {self.precision}".strip()


class Comparison(Record):
    """What a row of comparisons.csv shows of one model compared with another.

    estimate is a difference of accuracies (a fraction) or a ratio of latencies, with its 95 % interval; None where
    there are too few rounds for one, or the two were not compared.
    """

    metric: str
    verdict: Verdict
    estimate: float
    low: float | None = None
    high: float | None = None
    margin: float
    seeds: int | None = None
    seeds_needed: int | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        """Refuse figures that no comparison has, and of which no sentence can be made."""
        known = [value for value in (self.low, self.estimate, self.high) if value is not None]
        if self.verdict is Verdict.NOT_COMPARABLE or (self.verdict is not Verdict.UNDECIDED and len(known) < 3):
            raise ValueError(f"the verdict {self.verdict.value} needs an interval")
        if self.metric == "latency" and min(known) <= 0:
            raise ValueError("a ratio of latencies must be above 0")
        return self

    def inverted(self) -> "Comparison":
        """Return the comparison of the second model with the first.

        Returns:
            The comparison.
        """
        opposite = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
        ends = [end if end is None else self._invert(end) for end in (self.high, self.low)]
        changes = {"estimate": self._invert(self.estimate), "low": ends[0], "high": ends[1]}
        return self.model_copy(update=changes | {"verdict": opposite.get(self.verdict, self.verdict)})

    def _invert(self, value: float) -> float:
        return 1 / value if self.metric == "latency" else 0.0 - value


class Code(StrEnum):
    """Why a model was chosen or not; see `MEANINGS`."""

    ONLY_MODEL = "only_model"
    ONLY_ELIGIBLE = "only_eligible"
    MOST_ACCURATE = "most_accurate"
    WITHIN_MARGIN = "within_margin"
    FASTEST = "fastest"
    AS_FAST_AND_SMALLER = "as_fast_and_smaller"
    FASTER_LESS_ACCURATE = "faster_less_accurate"
    PRECISION_FASTER = "precision_faster"
    PRECISION_NOT_FASTER = "precision_not_faster"
    PRECISION_LESS_ACCURATE = "precision_less_accurate"
    OVERRIDE = "override"


MEANINGS = {
    Code.ONLY_MODEL: "No other model was measured.",
    Code.ONLY_ELIGIBLE: "No other model is eligible.",
    Code.MOST_ACCURATE: "It has the highest accuracy of the eligible models; `model` is the next.",
    Code.WITHIN_MARGIN: "Its accuracy is less than the margin below that of `model`, the most accurate eligible one.",
    Code.FASTEST: "It is the fastest of the models within the margin; `model` is the most accurate, or else the next.",
    Code.AS_FAST_AND_SMALLER: "It is as fast as `model`, the fastest within the margin, and its file is not larger.",
    Code.FASTER_LESS_ACCURATE: "`model` is faster, and outside the margin.",
    Code.PRECISION_FASTER: "The lower precision `model` is shown to be faster than fp32.",
    Code.PRECISION_NOT_FASTER: "The lower precision `model` is not shown to be faster than fp32.",
    Code.PRECISION_LESS_ACCURATE: "The lower precision `model` is faster than fp32, and loses the margin or more.",
    Code.OVERRIDE: "The configuration asks for this precision; the rule would choose `model`.",
}


class Finding(Record):
    """A reason with its numbers.

    accuracy and latency compare the recommended model with `model`; where the code is about a precision, they compare
    `model` with the same network's fp32.
    """

    code: Code
    model: Candidate | None = None
    accuracy: Comparison | None = None
    latency: Comparison | None = None


class Priority(StrEnum):
    """What may be most important."""

    ACCURACY = "accuracy"
    LATENCY = "latency"
    SIZE = "size"


class Alternative(Record):
    """What to deploy where one priority comes first, compared with the recommended model; None where it is the same."""

    priority: Priority
    model: Candidate
    accuracy: Comparison | None = None
    latency: Comparison | None = None


class Precision(Record):
    """Which precision of one network to deploy, and the findings about its lower precisions."""

    model: Candidate
    findings: list[Finding]

    @property
    def has_unused(self) -> bool:
        """Return whether a lower precision is not used: it is not shown to be faster, or is too inaccurate."""
        return any(one.code in (Code.PRECISION_NOT_FASTER, Code.PRECISION_LESS_ACCURATE) for one in self.findings)


class Place(Record):
    """A host, provider and setting where models were measured."""

    provider: str
    host: str
    batch_size: int = Field(ge=1, description="images a call")
    threads: int = Field(ge=1, description="intra-op threads")

    @property
    def setting(self) -> tuple[int, int]:
        """Return (batch size, threads)."""
        return self.batch_size, self.threads


class Recommendation(Place):
    """The decision for one host, provider and setting."""

    choice: Candidate
    findings: list[Finding]
    alternatives: list[Alternative]
    precisions: dict[str, Precision] = Field(description="by variant; that of the choice is the choice's")

    def named(self) -> list[Candidate]:
        """Return the models that this recommendation names: the choice and the alternatives.

        Returns:
            The models.
        """
        return [self.choice, *(alternative.model for alternative in self.alternatives)]


AnyPlace = TypeVar("AnyPlace", bound=Place)


class Deployment(Record):
    """Where bundles will run, and the precision that the configuration asks for; `fastest` leaves it to the rule."""

    provider: str
    batch_size: int = Field(ge=1)
    threads: int = Field(ge=1)
    precision: str = FASTEST

    def first(self, places: Iterable[AnyPlace]) -> AnyPlace | None:
        """Return where bundles run: the first place with this provider, batch size and number of threads.

        Args:
            places: Where models were measured.

        Returns:
            One of them; None where there is no such place.
        """
        wanted = self.provider, self.batch_size, self.threads
        return next((place for place in places if (place.provider, *place.setting) == wanted), None)


class Rule(Record):
    """The margins of the rule, fractions."""

    accuracy_margin: float = ACCURACY_MARGIN
    latency_margin: float = LATENCY_MARGIN


class Recommendations(Record):
    """The file: one recommendation for each host, provider and setting where a model has accuracy and latency."""

    rule: Rule = Rule()
    deployment: Deployment | None = None
    recommendations: list[Recommendation]

    def deployed(self) -> Recommendation | None:
        """Return the recommendation for where bundles will run.

        Returns:
            The recommendation; None where nothing was measured there.
        """
        return self.deployment.first(self.recommendations) if self.deployment else None

    def at(self, provider: str, host: str, setting: tuple[float, float]) -> Recommendation | None:
        """Return the recommendation for a place and setting.

        Args:
            provider: Name of the provider.
            host: Name of the host.
            setting: Batch size and threads.

        Returns:
            The recommendation; None where there is none.
        """
        wanted = (provider, host, *setting)
        return next((one for one in self.recommendations if (one.provider, one.host, *one.setting) == wanted), None)


def documentation() -> str:
    """Return the table of the codes of findings.

    Returns:
        Markdown.
    """
    return table(["code", "meaning"], [(f"`{code}`", meaning) for code, meaning in MEANINGS.items()], texts=2)


def json_schema() -> str:
    """Return the JSON Schema of recommendation.json.

    Returns:
        JSON.
    """
    return json.dumps(Recommendations.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def read_recommendations(path: Path) -> Recommendations:
    """Read recommendation.json.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        ResbenchError: It is not what `collate` writes.
    """
    try:
        return Recommendations.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ResbenchError(
            f"{path}: {place}: {first['msg']:.120}; make it with `resbench collate`".replace("\n", " ")
        ) from error

"""recommendation.json: which network in which precision to deploy, decided once and read by all that names a model.

The rule, applied to what was measured on one host, provider, batch size and number of threads:

1. A precision below fp32 is eligible where it is shown to be faster than the same network's fp32, and loses less than
   `ACCURACY_MARGIN`.  fp32 is always eligible.
2. Of the eligible models that are less than `ACCURACY_MARGIN` below the most accurate one, take the fastest.
3. Of those shown to be as fast, within `LATENCY_MARGIN`, take the smallest file, then the most accurate model.

For every other network, the precision is its fastest eligible one.
"""

import json
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resbench.common.errors import ResbenchError
from resbench.common.files import read_json
from resbench.common.markdown import table
from resbench.report.comparisons import Kind
from resbench.statistics.verdicts import ACCURACY_MARGIN, LATENCY_MARGIN, Verdict

FASTEST = "fastest"  # deployment.precision: leave it to the rule
FP32 = "fp32"

Row = dict[str, Any]
Key = tuple[str, str]  # variant, precision


class Record(BaseModel):
    """What all records of the file have in common: they do not change, and hold nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class Candidate(Record):
    """One model at one setting, as measured.

    Latencies are of one call; the median is what a caller sees, the shortest call is the one least disturbed and ranks.
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
    """What a row of comparisons.csv shows of one model against another.

    estimate is a difference of accuracies (a fraction) or a ratio of latencies, with its 95 % interval; None where
    there are too few rounds for one.
    """

    metric: str
    verdict: Verdict
    estimate: float
    low: float | None = None
    high: float | None = None
    margin: float
    seeds: int | None = None
    seeds_needed: int | None = None

    def inverted(self) -> "Comparison":
        """Return the comparison of the second model against the first."""
        opposite = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
        ends = [end if end is None else self._invert(end) for end in (self.high, self.low)]
        changes = {"estimate": self._invert(self.estimate), "low": ends[0], "high": ends[1]}
        return self.model_copy(update=changes | {"verdict": opposite.get(self.verdict, self.verdict)})

    def _invert(self, value: float) -> float:
        return 1 / value if self.metric == "latency" else 0.0 - value


class Code(StrEnum):
    """Why a model was chosen, or was not; `MEANINGS` says what each code means."""

    ONLY_MODEL = "only_model"
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
    Code.MOST_ACCURATE: "It has the highest measured accuracy; `model` is the next.",
    Code.WITHIN_MARGIN: "It is less than the margin below `model`, the most accurate one.",
    Code.FASTEST: "It is the fastest of the models within the margin; `model` is the most accurate, or else the next.",
    Code.AS_FAST_AND_SMALLER: "It is as fast as `model`, the one with the shortest call, and its file is not larger.",
    Code.FASTER_LESS_ACCURATE: "`model` is faster, and outside the margin.",
    Code.PRECISION_FASTER: "The lower precision `model` is shown to be faster than fp32.",
    Code.PRECISION_NOT_FASTER: "The lower precision `model` is not shown to be faster than fp32.",
    Code.PRECISION_LESS_ACCURATE: "The lower precision `model` is faster, and loses the margin or more against fp32.",
    Code.OVERRIDE: "The configuration asks for this precision; the rule would have chosen `model`.",
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
    """What else could come first."""

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
    """Which precision of one network to deploy, and what was found of its lower precisions."""

    model: Candidate
    findings: list[Finding]

    @property
    def disappoints(self) -> bool:
        """Return whether a lower precision does not pay: it is not shown to be faster, or is too inaccurate."""
        return any(one.code in (Code.PRECISION_NOT_FASTER, Code.PRECISION_LESS_ACCURATE) for one in self.findings)


class Recommendation(Record):
    """The decision for one host, provider and setting."""

    provider: str
    host: str
    batch_size: int = Field(ge=1, description="images a call")
    threads: int = Field(ge=1, description="intra-op threads")
    choice: Candidate
    findings: list[Finding]
    alternatives: list[Alternative]
    precisions: dict[str, Precision] = Field(description="by network; that of the choice is the choice's")

    @property
    def setting(self) -> tuple[int, int]:
        """Return (batch size, threads)."""
        return self.batch_size, self.threads

    def named(self) -> list[Candidate]:
        """Return the models that this recommendation names: the choice and the alternatives."""
        return [self.choice, *(alternative.model for alternative in self.alternatives)]


class Deployment(Record):
    """Where bundles will run, and the precision that the configuration asks for; `fastest` leaves it to the rule."""

    provider: str
    batch_size: int = Field(ge=1)
    threads: int = Field(ge=1)
    precision: str = FASTEST


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
        """Return the recommendation for where bundles will run, None where nothing was measured there."""
        wanted = self.deployment and (self.deployment.provider, self.deployment.batch_size, self.deployment.threads)
        return next((one for one in self.recommendations if (one.provider, *one.setting) == wanted), None)

    def at(self, provider: str, host: str, setting: tuple[float, float]) -> Recommendation | None:
        """Return the recommendation for this place and setting, None where there is none."""
        wanted = (provider, host, *setting)
        return next((one for one in self.recommendations if (one.provider, one.host, *one.setting) == wanted), None)


def recommend(rows: Sequence[Row], comparisons: Sequence[Row], deployment: Deployment | None) -> Recommendations:
    """Apply the rule to every place and setting that was measured.

    Args:
        rows: of report.csv; empty cells are None.
        comparisons: of comparisons.csv; empty cells are None.
        deployment: where bundles will run; None takes the first place and setting, and leaves the precision to the
            rule.

    Raises:
        ResbenchError: No model was measured in the precision that the deployment asks for.
    """
    places: dict[tuple[str, str, int, int], list[Candidate]] = {}
    for row in rows:
        if row["accuracy_mean"] is not None and row["latency_p50_ms"] is not None:
            place = row["provider"], row["host"], int(row["batch_size"]), int(row["threads"])
            places.setdefault(place, []).append(_candidate(row))
    if deployment is None and places:
        provider, _, batch_size, threads = next(iter(places))
        deployment = Deployment(provider=provider, batch_size=batch_size, threads=threads)
    found = []
    for (provider, host, batch_size, threads), candidates in places.items():
        wanted = deployment.precision if deployment and deployment.provider == provider else FASTEST
        evidence = Evidence(comparisons, host, provider, batch_size, threads)
        values = _decide(candidates, evidence, wanted)
        found.append(Recommendation(provider=provider, host=host, batch_size=batch_size, threads=threads, **values))
    return Recommendations(deployment=deployment, recommendations=found)


def documentation() -> str:
    """Return the table of the codes of findings, as Markdown."""
    return table(["code", "meaning"], [(f"`{code}`", meaning) for code, meaning in MEANINGS.items()], words=2)


def json_schema() -> str:
    """Return the JSON Schema of recommendation.json."""
    return json.dumps(Recommendations.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def read_recommendations(path: Path) -> Recommendations:
    """Read recommendation.json.

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


class Evidence:
    """The comparisons of one host, provider and setting, in either direction."""

    def __init__(self, comparisons: Iterable[Row], host: str, provider: str, batch_size: int, threads: int) -> None:
        """Keep the comparisons of models; those with published accuracies are not among them."""
        self._found: dict[tuple[str, Key, Key], Comparison] = {}
        for row in comparisons:
            place = row["host"], row["batch_size"], row["threads"]
            elsewhere = row["metric"] == "latency" and place != (host, batch_size, threads)
            if row["provider"] != provider or elsewhere or row["kind"] in (Kind.PUBLISHED, Kind.TARGET):
                continue
            first, second = (row["first"], row["first_precision"]), (row["second"], row["second_precision"])
            found = Comparison.model_validate({name: row.get(name) for name in Comparison.model_fields})
            self._found[found.metric, first, second] = found
            self._found[found.metric, second, first] = found.inverted()

    def accuracy(self, first: Candidate, second: Candidate) -> Comparison:
        """Return what is shown of the accuracy of the first against the second."""
        measured = first.accuracy - second.accuracy
        return self._compare("accuracy", first, second, measured, ACCURACY_MARGIN)

    def latency(self, first: Candidate, second: Candidate) -> Comparison:
        """Return what is shown of the latency of the first against the second."""
        return self._compare("latency", first, second, first.latency_min_ms / second.latency_min_ms, LATENCY_MARGIN)

    def _compare(self, metric: str, first: Candidate, second: Candidate, measured: float, margin: float) -> Comparison:
        """Where nothing was compared, measured values stand, and nothing is shown."""
        undecided = Comparison(metric=metric, verdict=Verdict.UNDECIDED, estimate=measured, margin=margin)
        return self._found.get((metric, first.key, second.key), undecided)


def _candidate(row: Row) -> Candidate:
    names = ("variant", "precision", "accuracy_low", "accuracy_high", "latency_p50_ms", "latency_min_ms", "model_bytes")
    return Candidate(accuracy=row["accuracy_mean"], **{name: row[name] for name in names})


def _decide(candidates: list[Candidate], evidence: Evidence, wanted: str) -> dict[str, Any]:
    """Return the fields of a Recommendation that follow from the rule."""
    eligible = [candidate for candidate in candidates if _is_eligible(candidate, candidates, evidence)]
    by_rule = _fastest(_close(eligible), evidence)
    pool = eligible
    if wanted != FASTEST:
        pool = [candidate for candidate in candidates if candidate.precision == wanted]
        if not pool:
            there = ", ".join(dict.fromkeys(candidate.precision for candidate in candidates))
            raise ResbenchError(f"deployment.precision: no {wanted} model was measured there; there are: {there}")
    choice = _fastest(_close(pool), evidence)
    override = [] if wanted == FASTEST else [Finding(code=Code.OVERRIDE, model=by_rule)]
    precisions = {}
    for variant in dict.fromkeys(candidate.variant for candidate in pool):
        own = [candidate for candidate in candidates if candidate.variant == variant]
        model = choice if variant == choice.variant else _fastest([c for c in pool if c in own], evidence)
        rule_s = _fastest([c for c in eligible if c in own], evidence)
        asked = [] if wanted == FASTEST else [Finding(code=Code.OVERRIDE, model=rule_s)]
        precisions[variant] = Precision(model=model, findings=[*asked, *_on_precisions(own, evidence)])
    own = [candidate for candidate in candidates if candidate.variant == choice.variant]
    on_choice = _on_choice(choice, pool, evidence)
    if not any(finding.code is Code.FASTEST and finding.model in own for finding in on_choice):  # else that says it
        on_choice += _on_precisions(own, evidence)
    return {
        "choice": choice,
        "findings": [*override, *on_choice],
        "alternatives": _alternatives(choice, candidates, eligible, evidence),
        "precisions": precisions,
    }


def _is_eligible(candidate: Candidate, candidates: list[Candidate], evidence: Evidence) -> bool:
    full = _full_precision(candidate, candidates)
    return full is None or (
        evidence.latency(candidate, full).verdict is Verdict.BETTER and _keeps_accuracy(candidate, full)
    )


def _full_precision(candidate: Candidate, candidates: list[Candidate]) -> Candidate | None:
    """Return the same network in fp32, None where that is the candidate itself or was not measured."""
    found = (other for other in candidates if other.key == (candidate.variant, FP32) and other != candidate)
    return next(found, None)


def _keeps_accuracy(candidate: Candidate, other: Candidate) -> bool:
    return candidate.accuracy > other.accuracy - ACCURACY_MARGIN


def _close(candidates: list[Candidate]) -> list[Candidate]:
    """Return those that are less than the margin below the most accurate."""
    return [candidate for candidate in candidates if _keeps_accuracy(candidate, _most_accurate(candidates))]


def _most_accurate(candidates: list[Candidate]) -> Candidate:
    return max(candidates, key=lambda one: (one.accuracy, -one.latency_min_ms))


def _shortest(candidates: list[Candidate], evidence: Evidence) -> Candidate:
    """Return the model with the shortest call, unless another one is shown to be faster."""

    def shown_faster(one: Candidate) -> int:
        return sum(evidence.latency(other, one).verdict is Verdict.BETTER for other in candidates if other != one)

    return min(candidates, key=lambda one: (shown_faster(one), one.latency_min_ms, -one.accuracy))


def _fastest(candidates: list[Candidate], evidence: Evidence) -> Candidate:
    """Return the fastest model; of those shown to be as fast, the smallest, then the most accurate."""
    first = _shortest(candidates, evidence)
    as_fast = [one for one in candidates if one == first or _is_as_fast(one, first, evidence)]
    return _smallest(as_fast)


def _is_as_fast(one: Candidate, other: Candidate, evidence: Evidence) -> bool:
    return evidence.latency(one, other).verdict is Verdict.EQUIVALENT


def _smallest(candidates: list[Candidate]) -> Candidate:
    return min(candidates, key=lambda one: (_size(one), -one.accuracy, one.latency_min_ms))


def _size(candidate: Candidate) -> float:
    return float("inf") if candidate.model_bytes is None else candidate.model_bytes


def _on_choice(choice: Candidate, pool: list[Candidate], evidence: Evidence) -> list[Finding]:
    """Return why this model: its accuracy, its latency and what is faster."""
    others = [candidate for candidate in pool if candidate != choice]
    if not others:
        return [Finding(code=Code.ONLY_MODEL)]
    top, rivals = _most_accurate(pool), [candidate for candidate in _close(pool) if candidate != choice]
    against = _most_accurate(others) if top == choice else top
    code = Code.MOST_ACCURATE if top == choice else Code.WITHIN_MARGIN
    findings = [Finding(code=code, model=against, accuracy=evidence.accuracy(choice, against))]
    first = _shortest(_close(pool), evidence)
    if first != choice:
        latency = evidence.latency(choice, first)
        findings.append(Finding(code=Code.AS_FAST_AND_SMALLER, model=first, latency=latency))
    elif rivals:
        against = _shortest(rivals, evidence) if top == choice else top
        findings.append(Finding(code=Code.FASTEST, model=against, latency=evidence.latency(choice, against)))
    quickest = _shortest(pool, evidence)
    if evidence.latency(quickest, choice).verdict is Verdict.BETTER:
        comparison = {"accuracy": evidence.accuracy(choice, quickest), "latency": evidence.latency(choice, quickest)}
        findings.append(Finding(code=Code.FASTER_LESS_ACCURATE, model=quickest, **comparison))
    return findings


def _on_precisions(own: list[Candidate], evidence: Evidence) -> list[Finding]:
    """Return what the lower precisions of one network gain and lose against its fp32."""
    findings = []
    for candidate in own:
        full = _full_precision(candidate, own)
        if full is None:
            continue
        accuracy, latency = evidence.accuracy(candidate, full), evidence.latency(candidate, full)
        code = Code.PRECISION_FASTER
        if latency.verdict is not Verdict.BETTER:
            code = Code.PRECISION_NOT_FASTER
        elif not _keeps_accuracy(candidate, full):
            code = Code.PRECISION_LESS_ACCURATE
        findings.append(Finding(code=code, model=candidate, accuracy=accuracy, latency=latency))
    return findings


def _alternatives(
    choice: Candidate, candidates: list[Candidate], eligible: list[Candidate], evidence: Evidence
) -> list[Alternative]:
    """Return what another priority would choose; latency first also takes precisions that lose more than the margin."""

    def pays(candidate: Candidate) -> bool:
        full = _full_precision(candidate, candidates)
        return full is None or evidence.latency(candidate, full).verdict is Verdict.BETTER

    found = {
        Priority.ACCURACY: _most_accurate(eligible),
        Priority.LATENCY: _fastest([candidate for candidate in candidates if pays(candidate)], evidence),
        Priority.SIZE: _smallest(candidates),
    }
    if evidence.latency(found[Priority.LATENCY], choice).verdict is not Verdict.BETTER:
        found[Priority.LATENCY] = choice
    return [
        Alternative(priority=priority, model=model)
        if model == choice
        else Alternative(
            priority=priority,
            model=model,
            accuracy=evidence.accuracy(model, choice),
            latency=evidence.latency(model, choice),
        )
        for priority, model in found.items()
    ]

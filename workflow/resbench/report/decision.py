"""The rule that decides which network in which precision to deploy.

The rule, applied to what was measured on one host, provider, batch size and number of threads:

1. A precision below fp32 is eligible where it is shown to be faster than the same network's fp32, and loses less than
   `ACCURACY_MARGIN`.  fp32 is always eligible.
2. Of the eligible models that are less than `ACCURACY_MARGIN` below the most accurate one, take the fastest.
3. Of those shown to be as fast, within `LATENCY_MARGIN`, take the smallest file, then the most accurate model.

For every other network, the precision is its fastest eligible one.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from resbench.common.errors import ResbenchError
from resbench.export.precisions import FP32
from resbench.report.comparisons import Kind
from resbench.report.format import counted
from resbench.report.recommendation import (
    FASTEST,
    Alternative,
    Candidate,
    Code,
    Comparison,
    Deployment,
    Finding,
    Key,
    Place,
    Precision,
    Priority,
    Recommendation,
    Recommendations,
)
from resbench.statistics.verdicts import ACCURACY_MARGIN, LATENCY_MARGIN, Verdict

Row = dict[str, Any]


def recommend(rows: Sequence[Row], comparisons: Sequence[Row], deployment: Deployment | None) -> Recommendations:
    """Apply the rule to every place and setting that was measured.

    Args:
        rows: Rows of report.csv; empty cells are None.
        comparisons: Rows of comparisons.csv; empty cells are None.
        deployment: Where bundles will run; None takes the first place and setting, and leaves the precision to the
            rule.

    Returns:
        The content of recommendation.json.

    Raises:
        ResbenchError: No model was measured in the precision that the deployment asks for.
    """
    places: dict[Place, list[Candidate]] = {}
    for row in rows:
        if row["accuracy_mean"] is not None and row["latency_p50_ms"] is not None:
            place = Place(**{name: row[name] for name in Place.model_fields})
            places.setdefault(place, []).append(_candidate(row))
    if deployment is None and places:
        deployment = Deployment.model_validate(next(iter(places)).model_dump(exclude={"host"}))
    deployed = deployment.first(places) if deployment else None
    decided = []
    for place, candidates in places.items():
        wanted = deployment.precision if deployment and place == deployed else FASTEST
        evidence = Evidence(comparisons, place)
        if wanted not in (FASTEST, *(candidate.precision for candidate in candidates)):
            there = ", ".join(dict.fromkeys(candidate.precision for candidate in candidates))
            raise ResbenchError(
                f"deployment.precision: no {wanted} model was measured with provider {place.provider} in batches of "
                f"{place.batch_size} on {counted(place.threads, 'thread')} of {place.host}; choose one of: {there}"
            )
        decided.append(Recommendation(**dict(place), **_decide(candidates, evidence, wanted)))
    return Recommendations(deployment=deployment, recommendations=decided)


class Evidence:
    """The comparisons of one host, provider and setting, in both directions."""

    def __init__(self, comparisons: Iterable[Row], place: Place) -> None:
        """Keep the comparisons of models with each other, without those with published accuracies."""
        self._comparisons: dict[tuple[str, Key, Key], Comparison] = {}
        for row in comparisons:
            timed = row["host"], row["batch_size"], row["threads"]
            elsewhere = row["metric"] == "latency" and timed != (place.host, *place.setting)
            if row["provider"] != place.provider or elsewhere or row["kind"] in (Kind.PUBLISHED, Kind.TARGET):
                continue
            first, second = (row["first"], row["first_precision"]), (row["second"], row["second_precision"])
            comparison = Comparison.model_validate({name: row.get(name) for name in Comparison.model_fields})
            self._comparisons[comparison.metric, first, second] = comparison
            self._comparisons[comparison.metric, second, first] = comparison.inverted()

    def accuracy(self, first: Candidate, second: Candidate) -> Comparison:
        """Return what is shown of the accuracy of the first model compared with the second.

        Args:
            first, second: The models.

        Returns:
            The comparison.
        """
        measured = first.accuracy - second.accuracy
        return self._compare("accuracy", first, second, measured, ACCURACY_MARGIN)

    def latency(self, first: Candidate, second: Candidate) -> Comparison:
        """Return what is shown of the latency of the first model compared with the second.

        Args:
            first, second: The models.

        Returns:
            The comparison.
        """
        return self._compare("latency", first, second, first.latency_min_ms / second.latency_min_ms, LATENCY_MARGIN)

    def _compare(self, metric: str, first: Candidate, second: Candidate, measured: float, margin: float) -> Comparison:
        """Return a comparison; where there is none, the measured values, of which nothing is shown."""
        undecided = Comparison(metric=metric, verdict=Verdict.UNDECIDED, estimate=measured, margin=margin)
        return self._comparisons.get((metric, first.key, second.key), undecided)


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
    choice = _fastest(_close(pool), evidence)
    override = [] if wanted == FASTEST else [Finding(code=Code.OVERRIDE, model=by_rule)]
    precisions = {}
    for variant in dict.fromkeys(candidate.variant for candidate in pool):
        own = [candidate for candidate in candidates if candidate.variant == variant]
        model = choice if variant == choice.variant else _fastest([c for c in pool if c in own], evidence)
        ruled = _fastest([c for c in eligible if c in own], evidence)
        asked = [] if wanted == FASTEST else [Finding(code=Code.OVERRIDE, model=ruled)]
        precisions[variant] = Precision(model=model, findings=[*asked, *_on_precisions(own, evidence)])
    own = [candidate for candidate in candidates if candidate.variant == choice.variant]
    on_choice = [Finding(code=Code.ONLY_MODEL)] if len(candidates) == 1 else _on_choice(choice, pool, evidence)
    if not any(finding.code is Code.FASTEST and finding.model in own for finding in on_choice):
        on_choice += _on_precisions(own, evidence)
    return {
        "choice": choice,
        "findings": [*override, *on_choice],
        "alternatives": _alternatives(choice, candidates, evidence),
        "precisions": precisions,
    }


def _is_eligible(candidate: Candidate, candidates: list[Candidate], evidence: Evidence) -> bool:
    full = _full_precision(candidate, candidates)
    return full is None or (
        evidence.latency(candidate, full).verdict is Verdict.BETTER and _keeps_accuracy(candidate, full)
    )


def _full_precision(candidate: Candidate, candidates: list[Candidate]) -> Candidate | None:
    """Return the same network in fp32, None where that is the candidate itself or was not measured."""
    matches = (other for other in candidates if other.key == (candidate.variant, FP32) and other != candidate)
    return next(matches, None)


def _keeps_accuracy(candidate: Candidate, other: Candidate) -> bool:
    return round(other.accuracy - candidate.accuracy, 9) < ACCURACY_MARGIN  # in binary, 0.6093 - 0.5993 is below 0.01


def _close(candidates: list[Candidate]) -> list[Candidate]:
    """Return the models that are less than the margin below the most accurate."""
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
    """Return why this model was chosen: its accuracy, its latency and what is faster."""
    rest = [candidate for candidate in pool if candidate != choice]
    if not rest:
        return [Finding(code=Code.ONLY_ELIGIBLE)]
    top, rivals = _most_accurate(pool), [candidate for candidate in _close(pool) if candidate != choice]
    against = _most_accurate(rest)
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
    """Return what the lower precisions of one network gain and lose compared with its fp32."""
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


def _alternatives(choice: Candidate, candidates: list[Candidate], evidence: Evidence) -> list[Alternative]:
    """Return what another priority would choose of all models that were measured.

    Latency first takes a lower precision only where it is shown to be faster than fp32, whatever it loses.
    """

    def is_faster(candidate: Candidate) -> bool:
        full = _full_precision(candidate, candidates)
        return full is None or evidence.latency(candidate, full).verdict is Verdict.BETTER

    models = {
        Priority.ACCURACY: max(candidates, key=lambda one: (one.accuracy, one == choice, -one.latency_min_ms)),
        Priority.LATENCY: _fastest([candidate for candidate in candidates if is_faster(candidate)], evidence),
        Priority.SIZE: _smallest(candidates),
    }
    if evidence.latency(models[Priority.LATENCY], choice).verdict is not Verdict.BETTER:
        models[Priority.LATENCY] = choice
    return [
        Alternative(priority=priority, model=model)
        if model == choice
        else Alternative(
            priority=priority,
            model=model,
            accuracy=evidence.accuracy(model, choice),
            latency=evidence.latency(model, choice),
        )
        for priority, model in models.items()
    ]

"""Tables for people: every figure where it belongs, dashes where the samples cannot carry it."""

import html

import numpy as np
import pandas as pd
import pytest
from experiment import CALLS, ENVIRONMENT, ROUNDS, Experiment
from resbench.common.errors import ResbenchError
from resbench.report.environments import Environment, environments
from resbench.report.html.page import write_page
from resbench.report.latency_table import latency_table
from resbench.report.main_table import main_table
from resbench.report.prose import UNPAIRED, describe_corruptions
from resbench.report.robustness import read_robustness, write_robustness
from resbench.report.scenario_tables import scenario_tables


def lines(table, row=0):
    """Of one row, what stands under each title, line by line."""
    return {
        heading.title: [cell.text, *cell.details]
        for heading, cell in zip(table.headings, table.rows[row].cells, strict=True)
    }


@pytest.fixture(scope="module")
def host(experiment: Experiment) -> Environment:
    inputs = experiment.inputs()
    return environments(inputs.report, inputs.recommendations, inputs.timings)[0]


def test_intervals_and_published_values_stand_under_the_measured_ones(host):
    rows = host.rows.head(1).assign(
        accuracy_mean=0.72,
        accuracy_std=0.015,
        accuracy_low=0.701,
        accuracy_high=0.744,
        loss_mean=0.9,
        latency_p50_ms=17.04,
    )
    rows = rows.assign(latency_p50_low_ms=17.03, latency_p50_high_ms=17.04)
    found = lines(main_table(rows, "here", [], published=True))
    assert found["Accuracy"] == ["72.00", "70.10 – 74.40", "SD 1.50", "published 63.88"]
    assert found["Loss"] == ["0.9000", "published 1.4769"]
    assert found["p50"] == ["17.0", "17.0"]
    assert "Threads" not in found  # one number: the caption has it
    found = lines(main_table(rows.assign(accuracy_low=np.nan), "here", [], published=False))
    assert (found["Accuracy"], found["Loss"]) == (["72.00", "SD 1.50"], ["0.9000"])


def test_the_recommendation_comes_first(host):
    table = main_table(host.rows, "here", [("pool", "int8", 32, 1)], published=True)
    assert [row.chosen for row in table.rows] == [True] + [False] * 11
    assert [lines(table)[title][0] for title in ("Variant", "Precision", "Batch")] == ["pool", "int8", "32"]
    assert [lines(table, n)["Variant"][0] for n in (1, 3, 5)] == ["basic", "pool", "bottleneck"]


def test_agreement_names_what_it_is_with(host):
    table = main_table(host.rows, "here", [], published=False)
    found = {lines(table, n)["Precision"][0]: lines(table, n)["Agreement"] for n in range(len(table.rows))}
    assert found["fp32"] == ["100.00", "with Keras", "max. 3.0\u00a0×\u00a010⁻⁷"]
    assert found["int8"][1] == "with fp32"


def test_every_percentile_of_the_calls_is_shown(host, experiment: Experiment):
    table = latency_table(host)
    assert len(table.rows) == len(host.rows) == 12
    calls = experiment.calls[experiment.calls["variant"] == "basic"]
    times = calls.loc[(calls["precision"] == "fp32") & (calls["batch_size"] == 1), "latency_ms"]
    found = lines(table)
    assert (found["Variant"], found["Precision"], found["Batch"]) == (["basic"], ["fp32"], ["1"])
    assert found["Shortest"] == [f"{times.min():.1f}"]
    for title, percent in (("p50", 50), ("p90", 90), ("p99", 99)):
        assert found[title][0] == f"{np.percentile(times, percent):.1f}"
    low, high = map(float, found["p50"][1].split(" – "))
    assert low < times.median() < high
    assert found["p99.9"] == ["–"]
    assert (found["Load"], found["First call"]) == (["40.0"], [f"{2 * 1_062_937_216 / 6.3e7:.1f}"])
    assert (found["Calls"], found["Rounds"]) == ([str(ROUNDS * CALLS)], [str(ROUNDS)])


def test_p90_has_its_interval_where_the_rounds_allow(host):
    even = host.calls.assign(latency_ms=np.tile(np.linspace(10, 20, CALLS), len(host.calls) // CALLS))
    found = lines(latency_table(host._replace(calls=even)))
    assert found["p90"] == ["19.0", "19.0"]
    few = even[even["round"] < ROUNDS]
    assert lines(latency_table(host._replace(calls=few)))["p90"] == ["19.0"]


def test_few_calls_leave_dashes_and_untimed_models_no_row(host):
    calls = host.calls[(host.calls["round"] == 1) & (host.calls["call"] <= 45) & (host.calls["precision"] == "fp32")]
    table = latency_table(host._replace(calls=calls))
    assert len(table.rows) == 6
    found = lines(table)
    assert [len(found["p50"]), found["p90"], found["p99"], found["p99.9"]] == [1, ["–"], ["–"], ["–"]]
    assert (found["Calls"], found["Rounds"]) == (["45"], ["1"])
    assert latency_table(host._replace(calls=calls.head(0))).rows == []


def test_scenarios_are_shown_next_to_resbench_s_p90(experiment: Experiment):
    inputs = experiment.inputs()
    (view,) = scenario_tables(inputs.scenarios, inputs.report)
    assert view.table.caption == f"LoadGen 6.0.17, preset smoke, with the CPU provider on {ENVIRONMENT}, on 1 thread"
    assert view.refusals == ["basic int8, Server: Reduce target QPS to improve latency."]
    ours = inputs.report.loc[0, "latency_p90_ms"]
    assert lines(view.table) == {
        "Variant": ["basic"],
        "Precision": ["fp32"],
        "SingleStream": [f"{ours / 1.02:.1f}", "VALID"],
        "resbench's p90": [f"{ours:.1f}", "+2\u00a0%"],
        "Offline": [f"{1200 / ours * 1.02:.1f}", "VALID"],
        "Server": [f"{700 / ours * 1.02:.1f}", "VALID", "p99 88.0, bound 100 ms"],
    }
    assert lines(view.table, 3)["Server"][1] == "INVALID"


def test_scenarios_of_another_place_are_not_compared_and_gaps_are_dashes(experiment: Experiment):
    inputs = experiment.inputs()
    for elsewhere in ({"host": "another"}, {"threads": 2.0}, {"provider": "cuda"}):
        (view,) = scenario_tables(inputs.scenarios.assign(**elsewhere), inputs.report)
        assert lines(view.table)["resbench's p90"] == ["–"]
    only = inputs.scenarios[inputs.scenarios["scenario"] == "Offline"]
    (view,) = scenario_tables(only, inputs.report)
    assert (lines(view.table)["SingleStream"], lines(view.table)["Server"]) == (["–"], ["–"])
    assert len(lines(view.table)["resbench's p90"]) == 1
    seeds = pd.concat([inputs.scenarios, inputs.scenarios.assign(seed="1")])
    (view,) = scenario_tables(seeds, inputs.report)
    assert [lines(view.table, n)["Seed"] for n in (0, 6)] == [["0"], ["1"]]
    both = pd.concat([inputs.scenarios, inputs.scenarios.assign(preset="mlperf")])
    assert [view.table.caption.split(", ")[1] for view in scenario_tables(both, inputs.report)] == [
        "preset smoke",
        "preset mlperf",
    ]


def test_without_scenarios_the_page_is_silent_about_them(experiment: Experiment, page, tmp_path):
    write_page(tmp_path / "report.html", tmp_path / "figures", experiment.inputs()._replace(scenarios=None))
    without, with_scenarios = (path.read_text() for path in (tmp_path / "report.html", page))
    for words in ('href="#scenarios"', "LoadGen"):
        assert words not in without
        assert words in with_scenarios


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("rate_ips", "rate", "no column rate_ips"),
        ("VALID,,", "FINE,,", "a verdict is neither VALID nor INVALID"),
        (",smoke,32,", ",smoke,,", "a value of batch_size is not a positive number"),
        (",smoke,32,", ",smoke,-32,", "a value of batch_size is not a positive number"),
        ("Offline", "Server", "two rows are of the same model and scenario"),
    ],
)
def test_invalid_scenarios_are_named_with_the_remedy(tmp_path, old, new, words):
    experiment = Experiment(tmp_path, seeds=[0], precisions=["fp32"], scenarios=True).write()
    text = experiment.scenarios.read_text()
    assert old in text
    experiment.scenarios.write_text(text.replace(old, new))
    with pytest.raises(ResbenchError, match=words) as error:
        experiment.inputs()
    assert "scenarios.csv: " in str(error.value)
    assert "\n" not in str(error.value)


def test_robustness_is_shown_where_it_was_measured(experiment: Experiment, tmp_path):
    labels = experiment.inputs().test.labels
    paths = []
    for number, (test_set, right) in enumerate({"test": 0.9, "contrast-3": 0.5}.items()):
        named = np.where(np.arange(len(labels)) < right * len(labels), labels, (labels + 1) % 10)
        probabilities = np.full((len(labels), 10), 0.01, np.float32)
        probabilities[np.arange(len(labels)), named] = 0.91
        texts = {"variant": "pool", "seed": "0", "precision": "fp32", "provider": "cpu", "model_sha256": "0"}
        paths.append(tmp_path / f"{number}.npz")
        np.savez(paths[-1], probabilities=probabilities, labels=labels, model_bytes=1, test_set=test_set, **texts)
    write_robustness(tmp_path / "robustness.csv", paths)
    inputs = experiment.inputs()._replace(robustness=read_robustness(tmp_path / "robustness.csv"))
    write_page(tmp_path / "report.html", tmp_path / "figures", inputs)
    text = (tmp_path / "report.html").read_text()
    assert text.index("On other images") < text.index("lower contrast, severity 3")
    assert describe_corruptions() in html.unescape(text)
    assert UNPAIRED in text
    write_page(tmp_path / "report.html", tmp_path / "figures2", experiment.inputs())
    assert "On other images" not in (tmp_path / "report.html").read_text()

"""What `resbench page` reads and writes, without a browser."""

import html
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from experiment import CALLS, ENVIRONMENT, HOST, ROUNDS, SETTINGS, SPEED, Experiment
from PIL import Image
from resbench.common.errors import ResbenchError
from resbench.report.comparison_tables import ACCURACY, LATENCY, PRECISION, PUBLISHED, comparison_tables
from resbench.report.environments import environments
from resbench.report.html.figures import pareto
from resbench.report.html.page import write_page
from resbench.report.html.page_figures import page_figures
from resbench.report.html.rendering import write_figures
from resbench.report.prose import describe_rule, describe_verdicts, setting_text
from resbench.report.recommendation import Deployment, Recommendations


def test_the_command_writes_one_file_and_a_folder_of_figures(experiment: Experiment, page, tmp_path):
    out, figures = tmp_path / "new/report.html", tmp_path / "new/figures"
    command = [sys.executable, "-m", "resbench", *experiment.command(out, figures)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    names = {path.name for path in figures.iterdir()}
    assert names == {path.name for path in (page.parent / "figures").iterdir()}
    charts = re.findall(r'class="chart" id="([^"]+)"', out.read_text())
    assert names == {f"{chart}.{suffix}" for chart in charts for suffix in ("svg", "png")}
    assert {f"tradeoff-cpu-batch{b}-threads{t}" for b, t in SETTINGS} < set(charts)
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("names", [["a.svg", "a.png", "thesis.pdf"], ["holiday.png"], ["notes/thesis.txt"]])
def test_a_folder_of_other_files_is_not_replaced(names, tmp_path):
    folder = tmp_path / "figures"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    with pytest.raises(ResbenchError, match="which no page writes, and would be replaced; name another folder"):
        write_figures(folder, [])
    assert all((folder / name).is_file() for name in names)


def test_the_folder_of_an_earlier_page_is_replaced_and_a_link_is_not(tmp_path):
    folder = tmp_path / "figures"
    folder.mkdir()
    for name in ("a.svg", "a.png", ".snakemake_timestamp"):
        (folder / name).touch()
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(ResbenchError, match="is not a folder that can be replaced"):
        write_figures(tmp_path / "link", [])
    write_figures(folder, [])
    assert list(folder.iterdir()) == []


def test_figures_are_vectors_and_pixels_on_white(page):
    for path in (page.parent / "figures").iterdir():
        if path.suffix == ".svg":
            assert ET.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
        else:
            with Image.open(path) as image:
                assert image.width >= 1280
                assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)


def test_the_page_names_nothing_to_fetch_and_allows_only_its_own_scripts(page):
    text = page.read_text()
    assert page.stat().st_size < 2_500_000
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)[1]
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline" not in policy.split("style-src")[0]
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']*""", markup) == []


def test_the_recommendation_comes_before_everything_but_the_warnings(tmp_path):
    settings = {"dataset": "handwritten digits, not CIFAR-10", "train_images": 400, "seeds": [0]}
    experiment = Experiment(tmp_path, **settings, host={"stable": False})
    write_page(tmp_path / "report.html", tmp_path / "figures", experiment.write().inputs())
    text = (tmp_path / "report.html").read_text()
    order = [
        "Not CIFAR-10.",
        "Shortened training.",
        "One seed.",
        "Deploy <strong>",
        "<h2>The table",
        "<h2>Accuracy against",
    ]
    order += ["<h2>Training curves", "<h2>Mistakes", "<h2>Comparisons", "<h2>Where the numbers come from"]
    positions = [text.index(words) for words in order]
    assert positions == sorted(positions)
    assert f">{describe_rule()}</p>" in html.unescape(text)
    assert f">{describe_verdicts()}</p>" in html.unescape(text)
    assert f"The warnings above apply: Not CIFAR-10, shortened training, unstable timing on {HOST}." in text
    assert "Published" not in text[text.index("<h2>The table") : text.index("<h2>Accuracy against")]


def test_the_commit_is_named_only_where_it_is_recorded(page, tmp_path):
    words = "With the code at the commit above, save this configuration"
    assert words in page.read_text()
    inputs = Experiment(tmp_path, seeds=[0], precisions=["fp32"], host={"git": None}).write().inputs()
    write_page(tmp_path / "report.html", tmp_path / "figures", inputs)
    text = (tmp_path / "report.html").read_text()
    assert "commit above" not in text
    assert "<p>Save this configuration" in text


def test_different_hosts_have_recommendations_and_tables_of_their_own(experiment: Experiment):
    inputs = experiment.inputs()
    report = pd.concat([inputs.report, inputs.report.assign(provider="cuda", host="H100, 16 cores")])
    (at_1, at_32), decided = inputs.recommendations.recommendations, inputs.recommendations
    elsewhere = [one.model_copy(update={"provider": "cuda", "host": "H100, 16 cores"}) for one in (at_1, at_32)]
    hosts = environments(
        report, decided.model_copy(update={"recommendations": [at_1, at_32, *elsewhere]}), inputs.timings
    )
    assert [(host.provider, len(host.rows)) for host in hosts] == [("cpu", 12), ("cuda", 12)]
    assert all(set(host.recommendations) == set(SETTINGS) for host in hosts)


def test_where_bundles_run_comes_first_on_the_page_as_in_report_md(experiment: Experiment, tmp_path):
    inputs = experiment.inputs()
    at_1, at_32 = inputs.recommendations.recommendations
    at_32 = at_32.model_copy(update={"choice": at_32.precisions["basic"].model})
    assert at_1.choice.key != at_32.choice.key
    for batch_size, first, second in ((1, at_1, at_32), (32, at_32, at_1)):
        deployment = Deployment(provider="cpu", batch_size=batch_size, threads=1)
        decided = Recommendations(deployment=deployment, recommendations=[at_1, at_32])
        write_page(tmp_path / "report.html", tmp_path / "figures", inputs._replace(recommendations=decided))
        text = (tmp_path / "report.html").read_text()
        place = f"Where bundles run: on {ENVIRONMENT}, provider CPU, {setting_text(first.setting)}</p>"
        in_order = [
            place,
            f"Deploy <strong>{first.choice.variant}<",
            f"For {setting_text(second.setting)} it is <strong>",
        ]
        in_order += [f'id="{kind}-cpu-batch{batch_size}-' for kind in ("tradeoff", "latency")]
        positions = [text.index(words) for words in in_order]
        assert positions == sorted(positions)
        assert re.findall(r'id="tradeoff-cpu-batch(\d+)', text)[0] == f"{batch_size}"
        assert f"Confusion matrix of {first.choice.name}<" in text


def test_the_environment_where_bundles_run_comes_first(experiment: Experiment):
    inputs = experiment.inputs()
    report = pd.concat([inputs.report, inputs.report.assign(provider="openvino")])
    here = inputs.recommendations.recommendations
    there = [one.model_copy(update={"provider": "openvino"}) for one in here]
    for provider, order in (
        ("cpu", ["cpu", "openvino"]),
        ("openvino", ["openvino", "cpu"]),
        ("cuda", ["cpu", "openvino"]),
    ):
        deployment = Deployment(provider=provider, batch_size=32, threads=1)
        decided = Recommendations(deployment=deployment, recommendations=[*here, *there])
        places = environments(report, decided, inputs.timings)
        assert [place.provider for place in places] == order
        first = [(32, 1), (1, 1)] if provider == order[0] else [(1, 1), (32, 1)]
        assert [place.settings for place in places] == [first, [(1, 1), (32, 1)]]


def test_two_hosts_with_the_same_provider_have_figures_and_comparisons_of_their_own(tmp_path):
    experiment = Experiment(tmp_path, seeds=[0]).write()
    host = json.loads(experiment.host_json.read_text())
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(json.dumps(host | dict.fromkeys(("name", "environment"), "Raspberry Pi, 4 cores")))
    experiment.timings.append((experiment.samples, elsewhere))
    experiment.collate()
    write_page(tmp_path / "report.html", tmp_path / "figures", experiment.inputs())
    text = (tmp_path / "report.html").read_text()
    charts = re.findall(r'class="chart" id="([^"]+)"', text)
    assert len(charts) == len(set(charts))
    assert {f"{kind}-cpu-2-batch1-threads1" for kind in ("tradeoff", "latency")} < set(charts)
    assert [chart for chart in charts if chart.startswith("precision-accuracy")] == ["precision-accuracy-cpu"]
    for name in (ENVIRONMENT, "Raspberry Pi, 4 cores"):
        assert f"Measured with the CPU provider on {name}, on 1 thread" in text
        assert f"CPU, one image at a time on 1 thread, {name}</td>" in text
        assert f"One image at a time on 1 thread, CPU, {name}</h3>" in text


def test_a_precision_that_does_not_pay_is_said_so_with_the_figure(tmp_path, page):
    experiment = Experiment(tmp_path, seeds=[0], speed={"fp32": 1.0, "int8": 1.2}).write()
    write_page(tmp_path / "report.html", tmp_path / "figures", experiment.inputs())
    text = (tmp_path / "report.html").read_text()
    assert '<details class="precisions" open>' in text
    assert re.search(r"<dd>pool int8 is not shown to be faster than fp32: slower by a factor of 1\.2[^<]*</dd>", text)
    assert '<details class="precisions">' in page.read_text()
    assert (
        "pool int8 is not shown to be faster than fp32: slower by a factor of 1.2"
        in (tmp_path / "report.md").read_text()
    )


def test_a_model_that_was_not_timed_stands_with_its_providers_host(experiment: Experiment):
    inputs = experiment.inputs()
    untimed = inputs.report.head(1).assign(host="", batch_size=np.nan, threads=np.nan, latency_p50_ms=np.nan)
    timings = [*inputs.timings, *(table.assign(host="another host") for table in inputs.timings)]
    (host,) = environments(pd.concat([inputs.report, untimed]), inputs.recommendations, timings)
    assert (len(host.rows), len(host.calls)) == (13, sum(len(table) for table in inputs.timings))
    (alone,) = environments(untimed, inputs.recommendations, inputs.timings)
    assert (alone.name, alone.settings, alone.recommendations) == ("", [], {})


def test_the_front_holds_what_nothing_beats():
    latency, accuracy = np.array([1.0, 2.0, 2.0, 3.0, 1.0]), np.array([0.5, 0.7, 0.6, 0.7, 0.5])
    assert pareto(latency, accuracy).tolist() == [True, True, False, False, True]


@pytest.mark.parametrize(("count", "shown"), [(12, 12), (13, 6)])
def test_the_latency_chart_says_which_networks_it_leaves_out(tmp_path, count, shown):
    networks = {f"network{n}": (0.2 + 0.05 * n, 200_000, 10**7 * (n + 2), None, None) for n in range(count)}
    inputs = Experiment(tmp_path, networks=networks, seeds=[0]).write().inputs()
    places = environments(inputs.report, inputs.recommendations, inputs.timings)
    chart, _ = page_figures(inputs, places, [])["latency"]
    calls = shown * len(SPEED) * ROUNDS * CALLS
    part = f" Only variants with a colour of their own: {shown} of {count}." if shown < count else ""
    assert chart.description == f"Distribution of {calls:,} timed calls, a row for each model, the fastest first.{part}"
    assert chart.caption.endswith(f"in a process of its own.{part}")
    rows = {row["model"] for data in chart.spec["datasets"].values() for row in data}
    assert len(rows) == shown * len(SPEED)


def spoil(path, old, new):
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        (lambda e: e.report.unlink(), "report.csv", "no such file; make it with `resbench collate`"),
        (lambda e: spoil(e.report, "accuracy_mean", "accuracy"), "report.csv", "no column accuracy_mean"),
        (
            lambda e: spoil(e.report, "5238474", "many"),
            "report.csv",
            "parameters in row 1 is 'many', but must be an integer",
        ),
        (
            lambda e: spoil(e.report, "5238474", "5238474.5"),
            "report.csv",
            "row 1 is '5238474.5', but must be an integer",
        ),
        (lambda e: spoil(e.report, "5238474", ""), "report.csv", "parameters in row 1 is empty"),
        (
            lambda e: spoil(e.report, "cpu,32", "cpu,-32"),
            "report.csv",
            "in row 2 is -32, but must be above 0",
        ),
        (lambda e: spoil(e.report, "cpu,32", "cpu,1"), "report.csv", "two rows are of the same models and setting"),
        (
            lambda e: spoil(e.report, "variant,precision", "precision,variant"),
            "report.csv",
            "not in the order",
        ),
        (lambda e: spoil(e.report, "variant", "colour,variant"), "report.csv", "unknown column colour"),
        (lambda e: spoil(e.report, ",0.6", ",1.6"), "report.csv", "must be a fraction from 0 to 1"),
        (
            lambda e: spoil(e.report, "5238474", "inf"),
            "report.csv",
            "parameters in row 1 is 'inf', but must be an integer",
        ),
        (lambda e: e.report.write_text(e.report.read_text().splitlines()[0]), "report.csv", "no row"),
        (lambda e: e.report.write_bytes(b"\xff\x00\xfe"), "report.csv", "not readable"),
        (lambda e: e.comparisons.write_text(""), "comparisons.csv", "not readable"),
        (lambda e: e.histories[0].write_text("epoch\n1\n"), "history.csv", "no column"),
        (lambda e: e.predictions[0].write_bytes(b"PK"), "fp32-cpu.npz", "not a readable predictions file"),
        (lambda e: e.test.write_bytes(e.test.read_bytes()[:5000]), "test.npz", "not a readable data file"),
        (lambda e: e.summary.write_text("[1]"), "summary.json", "not what `resbench convert --summary` writes"),
        (lambda e: e.host_json.write_text("{}"), "host.json", "not what `resbench latency` writes"),
    ],
)
def test_an_invalid_file_is_named_with_the_remedy(tmp_path, change, name, words):
    experiment = Experiment(tmp_path, seeds=[0], precisions=["fp32"]).write()
    change(experiment)
    with pytest.raises(ResbenchError) as error:
        experiment.inputs()
    assert name in str(error.value)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert ";" in str(error.value)


def test_comparisons_of_the_recommended_network_come_first(experiment: Experiment):
    tables = {table.caption: table.rows for table in comparison_tables(experiment.inputs().comparisons, {"pool"})}
    assert {caption: len(rows) for caption, rows in tables.items()} == {
        ACCURACY: 6,
        PRECISION: 3,
        PUBLISHED: 3,
        LATENCY: 18,
    }
    assert ["pool" in row.cells[0].text for row in tables[ACCURACY]] == [True] * 4 + [False] * 2
    assert tables[PUBLISHED][0].cells[3].text == "–"
    assert {row.cells[3].text for row in tables[LATENCY]} == {"<\u00a00.001"}

"""The report: exact numbers from known input, blanks where nothing can be claimed, one line for bad input."""

import json
import re

import numpy as np
import pytest
from report_files import LABELS, calls, rows_of
from resbench.benchmark.columns import SAMPLE_COLUMNS
from resbench.data.datasets import DATASETS
from resbench.report.collate import ReportFiles, collate_report
from resbench.report.columns import REPORT_COLUMNS
from resbench.statistics.latency import FEWEST_FOR_P90, FEWEST_FOR_P99
from scipy.stats import binom


@pytest.mark.parametrize(("percent", "fewest"), [(90, FEWEST_FOR_P90), (99, FEWEST_FOR_P99)])
def test_a_percentile_is_named_only_where_order_statistics_bound_it(percent, fewest):
    """Of `fewest` samples, one lies above the percentile and one below, each with 97.5 % probability or more."""
    below = binom(fewest, percent / 100)
    assert below.cdf(fewest - 1) >= 0.975
    assert below.sf(0) >= 0.975
    assert fewest < 1.4 * np.log(0.025) / np.log(percent / 100)  # and not far beyond what that takes


def test_every_number_of_a_full_report(results):
    for seed, right in enumerate([70, 74]):
        results.model("pool", seed, right=right)
    results.model("deep", 0, right=90)
    once = calls("pool", range(1, 31), number=1, load=20.0) + calls("pool", range(31, 61), number=2, load=30.0)
    results.time(once + calls("pool", [64.0, 60.0], batch_size=32) + calls("deep", [5.0]))
    rows, _ = results.collate("CIFAR-10")
    assert list(rows[0]) == REPORT_COLUMNS
    assert [(row["variant"], row["batch_size"]) for row in rows] == [("pool", "1"), ("pool", "32"), ("deep", "1")]
    loss = -(0.72 * np.log(0.8) + 0.28 * np.log(0.2))
    assert rows[0] == {
        "variant": "pool",
        "precision": "fp32",
        "provider": "cpu",
        "batch_size": "1",
        "threads": "1",
        "protocol": "notebook",
        "seeds": "2",
        "parameters": "2092746",
        "macs": "413000000",
        "model_bytes": "8000001",
        "accuracy_mean": "0.72",
        "accuracy_std": "0.0282843",
        "accuracy_low": "0.452341",
        "accuracy_high": "0.987659",
        "loss_mean": f"{loss:.6g}",
        "ece": "0.08",  # always 80 % sure, right in 70 and 74 % of the images
        "brier": f"{0.72 * 2 * 0.2**2 + 0.28 * 2 * 0.8**2:.6g}",
        "keras_accuracy_mean": "0.72",
        "top1_agreement": "0.999",
        "max_abs_diff": "2e-07",
        "published_accuracy": "0.7307",
        "published_loss": "0.9882",
        "train_images": "50000",
        "epochs": "10",
        "train_seconds_mean": "100.5",
        "load_ms": "25",
        "first_ms": "2.5",
        "latency_min_ms": "1",
        "latency_p50_ms": "30.5",
        "latency_p50_low_ms": "",
        "latency_p50_high_ms": "",
        "latency_p90_ms": "54.1",
        "latency_p99_ms": "",
        "throughput_ips": f"{1000 / 30.5:.6g}",
        "peak_rss_mb": "80",
        "host": "Test CPU, 2 cores",
        "dataset": "CIFAR-10",
    }
    assert (rows[1]["latency_p50_ms"], rows[1]["throughput_ips"]) == ("62", f"{32 / 0.062:.6g}")
    assert (rows[1]["latency_p90_ms"], rows[1]["peak_rss_mb"], rows[1]["accuracy_mean"]) == ("", "70", "0.72")
    deep = rows[2]
    assert (deep["seeds"], deep["accuracy_std"], deep["published_accuracy"]) == ("1", "", "")
    # Wilson's interval for 90 of 100, by his formula: (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n)
    z, n, p = 1.959963985, 100, 0.9
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    ends = [(p + z * z / (2 * n) + sign * half) / (1 + z * z / n) for sign in (-1, 1)]
    assert [float(deep["accuracy_low"]), float(deep["accuracy_high"])] == pytest.approx(ends, abs=1e-6)


def test_what_was_not_timed_or_not_evaluated_is_blank(good):
    good.predict("pool", 0, right=72, precision="int8")
    good.time(calls("pool", [2.0], provider="cuda"), host={"name": "GPU"})
    rows, _ = good.collate()
    by_kind = {(row["precision"], row["provider"]): row for row in rows}
    assert list(by_kind) == [("fp32", "cpu"), ("fp32", "cuda"), ("int8", "cpu")]
    int8, cuda = by_kind["int8", "cpu"], by_kind["fp32", "cuda"]
    assert int8["accuracy_mean"] == "0.72"
    assert (int8["top1_agreement"], int8["max_abs_diff"], int8["model_bytes"]) == ("0.99", "0.6", "1000")
    for column in ("batch_size", "latency_p50_ms", "throughput_ips", "host"):
        assert int8[column] == ""
    assert (cuda["accuracy_mean"], cuda["loss_mean"], cuda["host"]) == ("", "", "GPU")
    assert cuda["seeds"] == "1"


def test_agreement_is_with_fp32_on_the_same_provider_or_else_on_the_cpu(good):
    for precision, right in (("fp32", 60), ("int8", 61)):
        good.predict("pool", 0, right=right, precision=precision, provider="cuda")
    good.predict("pool", 0, right=63, precision="int8", provider="openvino")
    agreements = {(row["precision"], row["provider"]): row["top1_agreement"] for row in good.collate()[0]}
    expected = {("fp32", "cpu"): "1", ("fp32", "cuda"): "0.87", ("int8", "cuda"): "0.99", ("int8", "openvino"): "0.9"}
    assert agreements == expected


def test_page_of_a_published_protocol(good):
    _, page = good.collate("CIFAR-10")
    assert "Warning" not in page
    assert "CIFAR-10: 50,000 training images, 10 epochs, protocol notebook, 1 seed, 100 test images." in page
    assert "| Variant | Precision | Batch (images) | Accuracy (%) | Loss (nats) | ECE (%) | Brier | p50 (ms) |" in page
    assert "Measured with the CPU provider on Test CPU, 2 cores, on 1 thread, trained by protocol notebook" in page
    cells = " | ".join(
        [
            "| **pool** | fp32 | 1 | 73.00 (63.57 – 80.73; published 73.07) | 0.5974 (published 0.9882)",
            "7.00 | 0.4040",
            "10.0 | 100 | 8.00 | 2.09 | 413 | 70.0 | 100.00 (with Keras; max. 1.0 × 10⁻⁷) |",
        ]
    )
    assert cells in page
    assert "Test CPU, 2 cores" in page
    assert "numpy 2.4.6" in page
    assert DATASETS["cifar10"].sha256 in page
    assert "https://host/a.tar.gz" in page


@pytest.mark.parametrize(
    ("summary", "name", "title"),
    [
        ({"sha256": "ab" * 32, "source": "/home/me/random-pixels.tar.gz"}, None, "random-pixels.tar.gz"),
        ({"sha256": "ab" * 32, "source": "photos/"}, None, "photos"),
        ({"sha256": "ab" * 32, "source": "photos/"}, "my  garden\n", "my garden"),
        ({"sha256": "ab" * 32, "source": "/data/CIFAR-10"}, None, "CIFAR-10 (not verified)"),
        ({"sha256": "ab" * 32, "source": None}, "cifar-10", "cifar-10 (not verified)"),
        ({"sha256": "ab" * 32, "source": None}, "CIFAR10", "CIFAR10 (not verified)"),
        ({}, None, "your own images"),
        ({"sha256": DATASETS["cifar100"].sha256, "source": "x.tar.gz"}, "CIFAR-10", "CIFAR-100"),
        ({"sha256": DATASETS["digits"].sha256, "source": "digits"}, None, "handwritten digits (scikit-learn)"),
    ],
)
def test_images_are_called_by_their_hash_and_never_by_a_default(good, summary, name, title):
    good.collate(name)
    good.summary.write_text(json.dumps(summary))
    out = good.folder / "out"
    files = ReportFiles.of(out)
    collate_report(files, good.summary, good.parity, good.predictions, good.timings, name=name)
    assert {row["dataset"] for row in rows_of(out / "report.csv")} == {title}
    assert "Warning: Not CIFAR-10." in (out / "report.md").read_text()


def test_page_shows_deviation_over_seeds(good):
    good.model("pool", 1, right=77)
    assert "| 75.00 (48.34 – 100.00; SD 2.83; published 73.07) |" in good.collate()[1]


@pytest.mark.parametrize("dataset", ["handwritten digits in CIFAR-10's layout", "CIFAR-10, JPEG copies", "CIFAR-10x"])
def test_page_of_other_images_warns_and_shows_nothing_published(good, dataset):
    rows, page = good.collate(dataset)
    assert f"> **Warning: Not CIFAR-10.** The images are {dataset}." in page
    assert "published" not in page.split("## Measurements")[1].split("- **Accuracy**")[0]
    assert "73.07" not in page
    assert rows[0]["published_accuracy"] == "0.7307"
    assert rows[0]["dataset"] == dataset


@pytest.mark.parametrize("change", [{"epochs": 2}, {"train_images": 5000}])
def test_page_of_a_shorter_training_says_so(results, change):
    results.model("pool", 0, right=73, **change)
    results.time(calls("pool", [10.0]))
    assert "> **Warning: Shortened training.** The models were " in results.collate("CIFAR-10 (JPEG copies)")[1]


def test_page_of_another_protocol_says_so_once(results):
    for variant in ("pool", "basic"):
        results.model(variant, 0, right=73, batch_size=128)
    results.time(calls("pool", [10.0]))
    _, page = results.collate()
    words = "> **Warning: Published values are not comparable.** For pool, basic: batches of 128 instead of 32.\n"
    assert page.count(words) == page.count("**Warning:") == 1


def test_page_says_what_agreement_is_with(good):
    good.predict("pool", 0, right=72, precision="int8")
    _, page = good.collate()
    by_precision = {line.split(" | ")[1]: line for line in page.splitlines() if "with " in line and "| " in line}
    assert "with Keras" in by_precision["fp32"]
    assert "with fp32" in by_precision["int8"]


def test_page_and_table_have_the_same_warnings(good):
    good.timings.clear()
    good.time(calls("pool", [10.0]), host={"name": "h", "stable": False, "warnings": ["busy | <b>"]})
    _, page = good.collate("digits")
    found = re.findall(r"^> \*\*(Warning|Note): (.+?)\.\*\* ", page, re.MULTILINE)
    expected = [("Warning", "Not CIFAR-10"), ("Note", "One seed"), ("Warning", "Unstable timing on h")]
    assert found == expected
    assert r"busy \| \<b\>" in page


def test_text_from_files_cannot_break_the_page_or_the_table(good):
    good.time(calls("pool", [1.0], threads=2), host={"name": "a | b\n# c <script>", "packages": [1]})
    rows, page = good.collate('digits\n# "x", | <b>')
    assert "\n# c" not in page
    assert "<script>" not in page.replace(r"\<", "")
    assert rows[0]["dataset"] == 'digits # "x", | <b>'


def test_missing_and_malformed_parity(good):
    path = good.parity[0]
    content = json.loads(path.read_text())
    for wrong, said in [
        ({"macs": None}, "macs"),
        ({"epochs": 1.5}, "epochs"),
        ({"keras_accuracy": "high"}, "keras_accuracy"),
        ({"parameters": -1}, "parameters"),
        ({"max_abs_diff": float("nan")}, "max_abs_diff"),
        ({"test_images": True}, "test_images"),
    ]:
        path.write_text(json.dumps(content | wrong))
        good.refused(rf"{path.name}: not what `resbench export --parity` writes \({said}")
    path.write_text(json.dumps({key: value for key, value in content.items() if key != "macs"}))
    good.refused("macs")
    path.write_text("[1, 2]")
    good.refused(path.name)
    path.write_text('{"variant": ')
    good.refused("cannot be read as JSON")
    path.write_text(json.dumps(content | {"macs": 10**400}))
    good.refused(r"cannot be read as JSON \(a number of 401 digits\)")
    path.unlink()
    good.refused("no such file; run its stage")


def test_what_does_not_belong_together_is_refused(good):
    good.predict("deep", 0, right=9)
    good.refused(r"deep-0-1\.npz: of deep seed 0, for which no --parity is given")
    good.predictions.pop()
    good.predict("pool", 5, right=9)
    good.refused("pool seed 5")
    good.predictions.pop()
    good.time(calls("deep", [1.0]))
    good.refused(r"samples1\.csv: of deep, for which no --parity")
    good.timings.pop()
    good.model("pool", 1, right=73)
    missing = good.predictions.pop()
    good.refused(r"pool-1-1\.json: of pool seed 1, for which no --predictions")
    good.predictions.append(missing)
    assert len(good.collate()[0]) == 1


def test_duplicates_are_refused(good):
    good.parity.append(good.parity[0])
    good.refused("of the same model as")
    good.parity.pop()
    good.predict("pool", 0, right=73)
    good.refused(r"pool-0-1\.npz: of the same model as .*pool-0-0\.npz \(pool, 0, fp32, cpu\)")
    good.predictions.pop()
    good.time(calls("pool", [1.0], seed=1))
    good.refused(r"samples1\.csv: of the same model as .*samples0\.csv")


def test_other_test_images_are_refused(good):
    good.model("pool", 1, right=73, test_images=99)
    good.refused("of 99 test images")
    good.parity.pop(), good.predictions.pop()
    good.predict("pool", 0, right=73, provider="cuda", labels=1 - LABELS)
    good.refused("of other test images than")
    good.predictions.pop()
    good.predict("pool", 0, right=73, provider="cuda", labels=LABELS[:50])
    good.refused("of other test images than")


@pytest.mark.parametrize(
    "change", [{"epochs": 9}, {"batch_size": 8}, {"protocol": "he2015"}, {"train_images": 1}, {"parameters": 1}]
)
def test_seeds_trained_in_two_ways_are_refused(good, change):
    good.model("pool", 1, right=73, **change)
    good.refused(f"{next(iter(change))} is .* train all seeds in the same way")


def test_malformed_timings_are_refused(good):
    whole = calls("pool", [10.0])[0]
    for wrong, said in [
        ([[*whole[:-1], ""]], "latency_ms is not a positive number"),
        ([[*whole[:-1], "nan"]], "latency_ms is not"),
        ([[*whole[:-1], "inf"]], "latency_ms is not"),
        ([whole, [*whole[:-1], "-1"]], "latency_ms is not"),
        ([[*whole[:-1], "fast"]], "latency_ms is not"),
        ([[*whole[:5], "1.5", *whole[6:]]], "batch_size is not"),
        ([], "no row"),
    ]:
        good.timings.clear()
        good.time(wrong)
        good.refused(said)
    good.timings.clear()
    good.time([whole[:-1]], columns=SAMPLE_COLUMNS[:-1])
    good.refused("no column latency_ms")
    samples, host = good.timings[0]
    for content in (b"", b"\xff\xfe\x00", b'a,"b\n1'):
        samples.write_bytes(content)
        good.refused(r"samples0\.csv: not what `resbench latency` writes")
    samples.unlink()
    good.refused(r"samples0\.csv: no such file")
    good.timings.clear()
    good.time([whole], host={"cores": 2})
    good.refused(rf"{host.name}: not what `resbench latency` writes \(no name\)")


def test_a_number_of_gpus_is_no_list_of_them(good):
    good.time(calls("pool", [10.0] * 3, threads=2), host={"name": "a host", "gpus": 7})
    assert "GPU" not in good.collate()[1].rpartition("a host")[2]


def test_malformed_summary_is_refused(good):
    good.summary.write_text("[]")
    good.refused(r"summary\.json: not what `resbench convert --summary` writes")

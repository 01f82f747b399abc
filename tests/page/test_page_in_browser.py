"""The page as a reader meets it: in Chromium, wide and narrow, light and dark, on paper, by keyboard."""

import base64
import re

import pandas as pd
import pytest
from axe_core_python.selenium import Axe
from experiment import CALLS, CLASSES, EPOCHS, ROUNDS, SETTINGS, Experiment
from resbench.report.html.page import write_page
from selenium.webdriver.common.keys import Keys

PHONE, DESK = 360, 1440


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("dark", [False, True])
def test_it_draws_without_a_word_a_request_or_a_sideways_scroll(browser, page, width, dark):
    browser.open(page, width, dark=dark)
    assert browser.console() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [page.as_uri()]
    assert browser.evaluate("performance.getEntriesByType('resource').length") == 0
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    charts = browser.evaluate(
        "[...document.querySelectorAll('.chart')].map(c => [c.id, c.querySelectorAll('svg').length,"
        " c.querySelector('svg').getBoundingClientRect().right])"
    )
    assert len(charts) == browser.evaluate("Object.keys(JSON.parse(document.getElementById('specs').text)).length")
    assert [name for name, drawn, right in charts if drawn != 1 or right > width] == []


def test_every_chart_has_the_marks_that_the_files_imply(browser, page, experiment: Experiment):
    browser.open(page)
    report = pd.read_csv(experiment.report)
    models, networks = len(experiment.networks) * 2, len(experiment.networks)
    expected = {}
    for batch, threads in SETTINGS:
        place = f"cpu-batch{batch}-threads{threads}"
        rows = report[(report["batch_size"] == batch) & (report["threads"] == threads)]
        expected |= {
            f"#tradeoff-{place} .filled_points_marks path": int((rows["precision"] == "fp32").sum()),
            f"#tradeoff-{place} .open_points_marks path": int((rows["precision"] == "int8").sum()),
            f"#tradeoff-{place} .accuracy_bars_marks line": len(rows),
            f"#tradeoff-{place} .latency_bars_marks line": len(rows),
            f"#latency-{place} .medians_marks path": models,
            f"#latency-{place} .rounds_marks path": models * ROUNDS,
            f"#latency-{place} .calls_marks path": models * 99,
        }
    for metric in ("accuracy", "loss"):
        expected[f"#learning-{metric} .tests_marks path"] = networks
        expected[f"#learning-{metric} .bands_marks path"] = networks
        expected[f"#learning-{metric} .curves_marks path"] = networks
        expected[f"#learning-{metric} .epochs_marks path"] = networks * EPOCHS
    expected |= {
        "#precision-accuracy-cpu .seeds_marks path": networks * len(experiment.seeds),
        "#precision-accuracy-cpu .means_marks path": networks,
        "#precision-latency-cpu .ratios_marks path": networks,
        "#confusion .cells_marks path": len(CLASSES) ** 2,
    }
    assert {selector: browser.count(selector) for selector in expected} == expected
    assert ROUNDS * CALLS > 99  # or the ticks would repeat calls


def test_no_table_of_measurements_scrolls_sideways_on_a_desk(browser, page, experiment: Experiment):
    browser.open(page, DESK)
    browser.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    widths = browser.evaluate(
        "[...document.querySelectorAll('.scroll:has(.sortable)')].map(box => [box.scrollWidth, box.clientWidth])"
    )
    assert len(widths) == 7  # the table, latencies in detail, scenarios, four of comparisons
    assert [pair for pair in widths if pair[0] > pair[1]] == []
    assert pd.read_csv(experiment.report)["published_accuracy"].notna().all()


def test_hovering_over_a_point_shows_its_figures(browser, page, experiment: Experiment):
    browser.open(page)
    point = "document.querySelector('#tradeoff-cpu-batch1-threads1 .filled_points_marks path')"
    browser.evaluate(f"{point}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    box = browser.evaluate(
        f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({point}.getBoundingClientRect())"
    )
    browser.command("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
    tip = browser.evaluate("document.getElementById('vg-tooltip-element').innerText")
    first = pd.read_csv(experiment.report).iloc[0]
    assert f"{first['variant']} fp32" in tip
    assert f"{100 * first['accuracy_mean']:.2f} % [" in tip
    assert f"{first['parameters']:,}" in tip


def column(browser, title: str) -> list[str]:
    return browser.evaluate(
        "(() => { const table = document.querySelector('table.sortable');"
        "  const n = [...table.tHead.rows[0].cells].findIndex(c => c.innerText.startsWith(arguments[0]));"
        " return [...table.tBodies[0].rows].map(r => r.cells[n].dataset.value); })()",
        title,
    )


@pytest.mark.parametrize("title", ["p50", "Accuracy", "Variant"])
def test_a_heading_sorts_both_ways_by_keyboard(browser, page, title):
    browser.open(page)
    button = next(
        b for b in browser.driver.find_elements("css selector", ".sortable thead button") if b.text.startswith(title)
    )
    button.send_keys(Keys.ENTER)
    up = column(browser, title)
    button.send_keys(Keys.SPACE)
    down = column(browser, title)
    key = str if title == "Variant" else float
    assert up == sorted(up, key=key)
    assert down == sorted(up, key=key, reverse=True)
    assert len(set(up)) > 1
    sorts = browser.evaluate("[...document.querySelectorAll('[aria-sort]')].map(h => h.getAttribute('aria-sort'))")
    assert sorts == ["descending"]


def test_the_charts_take_the_colour_of_the_page(browser, page):
    colours = {}
    for dark in (False, True):
        browser.open(page, dark=dark)
        label = "document.querySelector('.chart .role-axis-label text')"
        colours[dark] = browser.evaluate(
            f"[getComputedStyle(document.body).backgroundColor, getComputedStyle({label}).fill]"
        )
    brightness = {
        dark: [sum(map(int, re.findall(r"\d+", colour)[:3])) / 765 for colour in pair] for dark, pair in colours.items()
    }
    assert brightness[False][0] > 0.9 > 0.3 > brightness[False][1]
    assert brightness[True][0] < 0.2 < 0.7 < brightness[True][1]


@pytest.mark.parametrize(("width", "dark"), [(PHONE, False), (DESK, False), (DESK, True)])
def test_axe_finds_no_violation(browser, page, width, dark):
    browser.open(page, width, dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    result = Axe().run(browser.driver)
    found = [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in result["violations"]]
    assert found == []
    assert len(result["passes"]) > 20


def test_it_prints_completely_and_on_white(browser, page):
    browser.open(page, dark=True)
    pdf = base64.b64decode(browser.command("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])
    assert pdf.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 12
    browser.command("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.command("Emulation.setEmulatedMedia", media="")


def test_text_from_files_stays_text(browser, tmp_path):
    hostile = "CIFAR-10 </script><script>window.taken = 1</script><img src=x onerror='window.taken = 1'>"
    host = dict.fromkeys(("name", "environment"), "</title><script>window.taken = 1</script>")
    host |= {"stable": False, "warnings": ["<b>steal</b>"]}
    experiment = Experiment(tmp_path, dataset=hostile, host=host, seeds=[0], precisions=["fp32"]).write()
    write_page(tmp_path / "report.html", tmp_path / "figures", experiment.inputs())
    browser.open(tmp_path / "report.html")
    assert browser.console() == []
    assert browser.evaluate("window.taken === undefined")
    assert hostile in browser.evaluate("document.querySelector('.lead').innerText")
    assert "<b>steal</b>" in browser.evaluate("document.querySelector('.caveats').innerText")


def test_twenty_networks_stay_readable(browser, tmp_path):
    networks = {f"network{n}": (0.2 + 0.05 * n, 200_000 * (n + 1), 10**7 * (n + 2), None, None) for n in range(20)}
    write_page(
        tmp_path / "report.html",
        tmp_path / "figures",
        Experiment(tmp_path, networks=networks, seeds=[0]).write().inputs(),
    )
    for width in (PHONE, DESK):
        browser.open(tmp_path / "report.html", width)
        assert browser.console() == []
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
    chart = "#tradeoff-cpu-batch1-threads1"
    assert browser.count(f"{chart} .filled_points_marks path") == 20
    assert 1 <= browser.count(f"{chart} [class*=names_] text") <= 8
    assert browser.count(f"{chart} .role-legend-symbol path") == 7  # six networks and the others
    assert browser.count("#latency-cpu-batch1-threads1 .medians_marks path") == 12  # six networks, two precisions
    sort = "document.querySelector('#comparisons th[scope=col]:nth-child(3) button').click()"
    rows = "[...document.querySelector('#comparisons tbody').rows].map(row => Number(row.cells[2].dataset.value))"
    differences = browser.evaluate(f"({sort}, {rows})")
    assert len(differences) > 100  # all pairs of networks: sorted as one table
    assert differences == sorted(differences)
    captions = browser.evaluate("[...document.querySelectorAll('caption')].map(caption => caption.textContent)")
    assert len(captions) == len(set(captions))


def test_names_of_64_letters_wrap_and_leave_room(browser, tmp_path):
    letters = "w" * 60
    networks = {f"{letters}_{n:03d}": (0.5 + n / 10, 200_000, 10**7 * (n + 2), 0.7 + n / 100, 1.0) for n in range(3)}
    experiment = Experiment(tmp_path, networks=networks).write()
    write_page(tmp_path / "report.html", tmp_path / "figures", experiment.inputs())
    for width in (PHONE, DESK):
        browser.open(tmp_path / "report.html", width)
        browser.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        boxes = browser.evaluate(
            "[...document.querySelectorAll('.scroll')].map(box =>"
            " [box.clientWidth, box.querySelector('tbody th').getBoundingClientRect().width])"
        )
        assert [pair for pair in boxes if pair[1] > pair[0] / 2] == []
        labels = browser.evaluate(
            "[...document.querySelectorAll('#latency-cpu-batch1-threads1 .role-axis-label text')]"
            ".map(label => label.textContent)"
        )
        assert len({label for label in labels if "…" in label and label.endswith(("int8", "fp32"))}) == 6

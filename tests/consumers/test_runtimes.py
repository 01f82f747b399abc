"""The exported files in other runtimes: every block of docs/deploy.md, and more images than it has."""

import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
DOCUMENT = (HERE.parents[1] / "docs/deploy.md").read_text(encoding="utf-8")
# One block a section, by its heading.
BLOCKS = dict(re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```\w+\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL))
NODE_MODULES = HERE / "node_modules"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


def run_block(heading: str) -> dict:
    """Run a Python block here and now; its variables."""
    variables: dict = {}
    exec(compile(BLOCKS[heading], f"docs/deploy.md, {heading}", "exec"), variables)
    return variables


def check(deployed, found: np.ndarray) -> None:
    """Probabilities of the first images are ours; int8 may round the other way now and then."""
    expected = deployed.probabilities[: len(found)]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-4 if deployed.precision == "fp32" else 0.05)
    two_best = np.sort(expected, axis=1)[:, -2:]
    clear = two_best[:, 1] - two_best[:, 0] > 0.1
    assert clear.any()
    np.testing.assert_array_equal(found.argmax(axis=1)[clear], expected.argmax(axis=1)[clear])


def test_every_block_is_run_here():
    tested = {"From the command line", "ONNX Runtime", "OpenVINO", "A web page", "Triton Inference Server"}
    assert BLOCKS.keys() == tested | {"Anything else that reads ONNX"}
    assert DOCUMENT.count("```") == 2 * len(BLOCKS)


def test_command_line(deployed):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        ["sh", "-ec", BLOCKS["From the command line"]],
        cwd=deployed.folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    best = deployed.probabilities[0].argmax()
    assert result.stdout.startswith(f"photo.png: {deployed.labels[best]} {100 * deployed.probabilities[0, best]:.1f} %")


def test_onnxruntime(deployed, monkeypatch):
    monkeypatch.chdir(deployed.folder)
    check(deployed, run_block("ONNX Runtime")["probabilities"])


def test_openvino(deployed, monkeypatch):
    monkeypatch.chdir(deployed.folder)
    variables = run_block("OpenVINO")
    check(deployed, variables["probabilities"])
    check(deployed, variables["model"](deployed.images)["probabilities"])


def test_reference_evaluator(deployed, monkeypatch):
    monkeypatch.chdir(deployed.folder)
    variables = run_block("Anything else that reads ONNX")
    check(deployed, variables["probabilities"])
    (several,) = variables["model"].run(["probabilities"], {"image": deployed.images[:3]})
    check(deployed, several)


def test_triton(deployed, monkeypatch):
    monkeypatch.chdir(deployed.folder)
    config = run_block("Triton Inference Server")["config"]
    assert (config.name, config.backend, config.max_batch_size) == ("pool", "onnxruntime", 1)
    assert config.HasField("dynamic_batching")
    (image,), (output,) = config.input, config.output
    kinds = type(image).DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    assert (image.name, kinds[image.data_type].name, list(image.dims)) == ("image", "TYPE_UINT8", [32, 32, 3])
    assert (output.name, kinds[output.data_type].name, list(output.dims)) == ("probabilities", "TYPE_FP32", [10])
    labels = Path("results/model_repository", config.name, output.label_filename).read_text().splitlines()
    assert labels == deployed.labels
    assert Path("results/model_repository", config.name, "1/model.onnx").is_file()


@pytest.fixture
def site(deployed):
    """The working directory with the page of docs/deploy.md, served on this machine; its address."""
    (deployed.folder / "index.html").write_text(BLOCKS["A web page"], encoding="utf-8")
    packages = deployed.folder / "node_modules"
    if not packages.exists():
        packages.symlink_to(NODE_MODULES)
    handler = partial(QuietHandler, directory=deployed.folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.skipif(not (NODE_MODULES / "onnxruntime-web").is_dir(), reason="needs npm ci in tests/consumers")
@pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromedriver")
def test_browser(deployed, site, tmp_path):
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--window-size=600,500"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        driver.get(site)
        WebDriverWait(driver, 120).until(lambda page: page.title == "Ready")
        driver.find_element(By.TAG_NAME, "input").send_keys(str(deployed.folder / "photo.png"))
        WebDriverWait(driver, 120).until(lambda page: page.find_elements(By.TAG_NAME, "li"))
        lines = [line.text for line in driver.find_elements(By.TAG_NAME, "li")]
        driver.save_screenshot(str(tmp_path / f"{deployed.precision}.png"))
    except Exception:
        print(driver.get_log("browser"))  # what the page complained of, in the test's report
        raise
    finally:
        driver.quit()
    shown = {
        label: float(percent) / 100 for label, percent in (line.removesuffix(" %").rsplit(" ", 1) for line in lines)
    }
    found = deployed.probabilities[:1].copy()
    for label, probability in shown.items():
        found[0, deployed.labels.index(label)] = probability
    check(deployed, found)
    assert next(iter(shown)) == deployed.labels[deployed.probabilities[0].argmax()]

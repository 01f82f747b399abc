"""Is this machine fit to train, and to run models, on its GPU?  Run by `make check-gpu`; reads well in a bug report.

    python perf/check_gpu.py [--providers cuda,tensorrt]     default: TensorRT where it is installed

Prints a description of machine and software, then a line for each check: PASS with the result, or FAIL with
what is missing and how to mend it; at the end PASS, or FAIL and the checks that failed, with exit status 1.
Takes some minutes.  The checks:

- the driver responds, and is new enough for the pinned CUDA libraries;
- TensorFlow sees the card;
- an epoch of `pool` compared with Keras's `fit`: images/s and memory, as perf/train.py measures them;
- the stages themselves: `pool` trained on handwritten digits on the card, exported (the same as Keras on the CPU,
  or refused) and made fp16;
- each execution provider with fp32 and fp16: it runs all nodes, and its outputs are those of fp32 on the CPU.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import harness
import numpy as np
import train
from resbench.benchmark.host import describe_host
from resbench.common.errors import ResbenchError, one_line
from resbench.common.files import read_json
from resbench.common.system import available_cores
from resbench.data.store import load_split
from resbench.runtime.sessions import Probabilities, open_session, predict, provider_share
from resbench.statistics.metrics import agreement

PACKAGE = Path(__file__).parents[1] / "workflow"
DRIVER = 525  # the oldest for CUDA 12 (docs/hpc.md)
STEPS = train.IMAGES // train.BATCH - 1  # an epoch: the first step is not timed
IMAGES = 256  # one batch, so that TensorRT builds one engine a model
LEAST_AGREEMENT = 0.99
# Of a probability.  A GPU multiplies fp32 in TF32, which rounds factors as coarsely as float16 does.
LARGEST_DIFFERENCE = 0.05

STAGES = """
    digits digits.tar
    convert digits.tar --train train.npz --test test.npz
    train pool --data train.npz --seed 0 --epochs 1 --device {device} --model model.keras --history history.csv
    export model.keras --data test.npz --onnx fp32.onnx --parity parity.json
    quantize fp32.onnx --data train.npz --precision fp16 --onnx fp16.onnx
"""

NEEDED = (
    f"what is needed is an NVIDIA card, driver {DRIVER} or newer, and the libraries of requirements-gpu.lock, which "
    "`make check-gpu` installs where nvidia-smi responds; on a cluster: srun --gpus=1 make check-gpu"
)
REINSTALL = (
    "install requirements-gpu.lock anew (rm -r .venv && make check-gpu), and see that CUDA_VISIBLE_DEVICES does not "
    "hide the card; TF_CPP_MIN_LOG_LEVEL=0 shows which library TensorFlow misses"
)
REPORT = "none known; put all of this into a bug report"
FIXES = {
    "cuda": "install requirements-gpu.lock anew (rm -r .venv && make check-gpu)",
    "tensorrt": "no lock file brings TensorRT: pip install 'tensorrt-cu12==10.*', and name its folder tensorrt_libs in "
    "LD_LIBRARY_PATH",
}


class Finding(NamedTuple):
    name: str
    passed: bool
    text: str


def attempt(name: str, fix: str, check: Callable[..., str], *arguments: object) -> Finding:
    """Return a check's result, or what it raised and the fix."""
    try:
        return Finding(name, True, check(*arguments))
    except Exception as error:  # whatever a GPU library raises; a crash of its process, too
        text = str(error) if isinstance(error, ResbenchError) else one_line(error)
        return Finding(name, False, f"{text}.  Fix: {fix}")


def findings(providers: list[str], gpus: list[dict[str, str]]) -> Iterator[Finding]:
    """Each check when it is done.  Without a driver, or a card that TensorFlow sees, the rest would fail, too."""
    yield (card := attempt("GPU", NEEDED, check_driver, gpus))
    if not card.passed:
        return
    yield (seen := attempt("TensorFlow", REINSTALL, harness.fresh, see_card))
    if not seen.passed:
        return
    yield attempt("training", REPORT, train_beside_keras)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield (made := attempt("stages", REPORT, run_stages, folder, "gpu"))
        for provider in providers if made.passed else []:
            for precision in ("fp32", "fp16"):
                yield attempt(f"{provider} {precision}", FIXES[provider], run_on, provider, precision, folder)


def check_driver(gpus: list[dict[str, str]]) -> str:
    """Of all cards; `gpus` as `describe_host` has them."""
    if not gpus:
        raise ResbenchError("nvidia-smi names no card: this machine has no NVIDIA GPU, or no driver for it")
    if int(gpus[0]["driver"].partition(".")[0]) < DRIVER:
        raise ResbenchError(f"driver {gpus[0]['driver']} is older than {DRIVER} and cannot run CUDA 12")
    return "; ".join(f"{gpu['name']}, driver {gpu['driver']}" for gpu in gpus)


def see_card() -> str:
    import resbench.networks  # noqa: F401  imports TensorFlow quietly

    import tensorflow as tf  # isort: skip

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        raise ResbenchError("TensorFlow sees no card")
    details, build = tf.config.experimental.get_device_details(gpus[0]), tf.sysconfig.get_build_info()
    return (
        f"sees {len(gpus)}, the first {details.get('device_name')} of compute capability "
        f"{details.get('compute_capability')}; built for CUDA {build.get('cuda_version')}, "
        f"cuDNN {build.get('cudnn_version')}"
    )


def train_beside_keras() -> str:
    measured = train.side_by_side(train.Case("pool"), STEPS, available_cores())
    us, them = measured["ours"], measured["Keras"]
    if "card" not in us:
        raise ResbenchError("it ran on the CPU")
    figures = [f"{title} {us[key]:,.0f}, Keras {them[key]:,.0f}" for key, title in train.TITLES.items()]
    return f"an epoch of pool, batch {train.BATCH}, float32, XLA: {'; '.join(figures)}"


def run_stages(folder: Path, device: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(PACKAGE)}
    for line in STAGES.format(device=device).strip().splitlines():
        command = harness.resbench(*line.split())
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if result.returncode:
            lines = result.stderr.strip().splitlines() or [f"exit status {result.returncode}"]
            raise ResbenchError(f"`resbench {line.strip()}`: {lines[-1]}")
    figures = read_json(folder / "parity.json")
    return (
        f"pool trained on {figures['device']}; fp32 on the CPU names Keras's class for "
        f"{100 * figures['top1_agreement']:.2f} % of {figures['test_images']} images, largest difference of a "
        f"probability {figures['max_abs_diff']:.1e}"
    )


def run_on(provider: str, precision: str, folder: Path) -> str:
    """Raises ResbenchError where a node is another provider's, or the outputs are not those of fp32 on the CPU."""
    images = load_split(folder / "test.npz").images[:IMAGES]
    _, expected = harness.fresh(ask, folder / "fp32.onnx", "cpu", images)
    nodes, outputs = harness.fresh(ask, folder / f"{precision}.onnx", provider, images)
    share, (same, difference) = provider_share(nodes, provider), agreement(outputs, expected)
    text = (
        f"{100 * share:.1f} % of {sum(nodes.values())} nodes are its own; it names the class of fp32 on the CPU for "
        f"{100 * same:.2f} % "
        f"of {len(images)} images, largest difference of a probability {difference:.1e}"
    )
    if share < 1 or same < LEAST_AGREEMENT or not difference <= LARGEST_DIFFERENCE:
        wanted = f"100 %, {100 * LEAST_AGREEMENT:.0f} % or more, {LARGEST_DIFFERENCE} or less"
        raise ResbenchError(f"{text} (wanted: {wanted})")
    return text


def ask(model: Path, provider: str, images: np.ndarray) -> tuple[dict[str, int], Probabilities]:
    """Return where the model's nodes are, and its outputs."""
    session = open_session(model, provider, None)
    return session.node_placement(), predict(session, model, images)


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--providers", default="cuda,tensorrt" if find_spec("tensorrt_libs") else "cuda")
    providers = parser.parse_args().providers.split(",")
    if strangers := set(providers) - set(FIXES):
        parser.error(f"unknown: {', '.join(strangers)}; there are {', '.join(FIXES)}")
    host = describe_host(providers[0])
    print(
        f"{host['processor']}, {host['cores_available']} cores, {host['memory_gb']} GB; {host['os']}, {host['kernel']}"
    )
    print(f"Python {host['python']}; " + ", ".join(f"{name} {version}" for name, version in host["packages"].items()))
    print(f"ONNX Runtime is built for CUDA {host['cuda']}; commit {host['git'] and host['git']['commit']}", flush=True)
    if "tensorrt" not in providers:
        print(f"TensorRT is left out.  To check it: {FIXES['tensorrt']}", flush=True)
    failed = []
    for name, passed, text in findings(providers, host["gpus"]):
        print(f"{'PASS' if passed else 'FAIL'}  {name}: {text}", flush=True)
        failed += [] if passed else [name]
    print(f"FAIL: {', '.join(failed)}" if failed else "PASS")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()

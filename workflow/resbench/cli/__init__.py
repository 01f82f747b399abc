"""The command line: one sub-command for each stage, and some for finished runs.

Only the sub-commands that train or export import TensorFlow, which costs seconds and a gigabyte.
"""

import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from resbench.cli import benchmark, data, deploy, networks, report, results
from resbench.common.errors import ResbenchError, installing, one_line
from resbench.common.progress import say

# In the order of `resbench --help`.
COMMANDS = (
    *(networks.variants, networks.check),
    *(data.digits, data.download, data.convert, data.extraset, data.corrupt),
    *(networks.train, networks.export, networks.quantize),
    *(benchmark.evaluate, benchmark.latency, benchmark.measure, benchmark.profile, benchmark.scenarios),
    *(report.collate, report.robustness, report.page),
    *(deploy.bundle, deploy.predict),
    *(results.verify, results.compare, results.pack),
)

# The optional dependency (pyproject.toml) that brings a module which the base install lacks.
EXTRAS = {
    "keras": "train",
    "mlperf_loadgen": "scenarios",
    "onnxruntime": "cpu",
    "onnxslim": "train",
    "openvino": "openvino",
    "sklearn": "train",
    "tensorflow": "train",
    "tf2onnx": "train",
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; before the command.")] = False,
) -> None:
    """Train, export and measure small residual networks on CIFAR-10-sized images.

    The stages, in order: check, download, convert, train, export, quantize, evaluate, latency, scenarios, collate,
    page, bundle. Each reads and writes files; `snakemake --cores 4` runs all of them, and scenarios if the
    configuration asks for it.

    Exit status: 0 done, 1 bad input or failure, 2 wrong usage, 130 interrupted.
    """


def _help(function: Callable[..., None]) -> str:
    """Return a docstring with every paragraph as one line, which is then broken where the terminal ends."""
    return "\n\n".join(" ".join(part.split()) for part in (function.__doc__ or "").split("\n\n"))


app.callback(help=_help(options))(options)
for command in COMMANDS:
    app.command(help=_help(command))(command)


def main() -> Any:
    """Run the command line; `options` says what its exit status means."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that unfinished outputs are cleaned up
    debug = "--debug" in sys.argv
    try:
        app()
    except (ResbenchError, OSError) as error:  # OSError: a full disk, a folder that may not be written
        if debug:
            raise
        say(f"resbench: error: {error}")
        sys.exit(1)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if debug or extra is None:
            raise
        say(f"resbench: error: {error.name} is not installed; {installing(extra)}")
        sys.exit(1)
    except MemoryError as error:
        if debug:
            raise
        say(f"resbench: error: not enough memory ({one_line(error)}); give it more, or smaller batches")
        sys.exit(1)

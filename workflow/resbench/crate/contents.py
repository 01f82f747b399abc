"""What of a run goes into a crate, and what it is called there.

The results keep their places, so that an unpacked crate is a results folder.  The archive of images and the training
images stay out: summary.json holds their SHA-256, and nothing is recomputed from them.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from resbench.common.errors import ResbenchError
from resbench.common.files import CHECKSUMS, read_checksums
from resbench.common.progress import say
from resbench.common.variants import OWN_FOLDER, variant_file
from resbench.report.html.configuration import read_configuration
from resbench.stages import variant_files

METADATA = "ro-crate-metadata.json"
WORKFLOW = "workflow/Snakefile"
CONFIGURATION = "config/config.yaml"
ELSEWHERE = "measured_elsewhere"  # folder of what lies outside of the results
README = "README.md"
VARIANTS = "variants"  # folder of networks of the user's own
LOCKS = {"onnxruntime-gpu": "requirements-gpu.lock", "onnxruntime": "requirements.lock"}  # by the installed runtime

CSV, JSON, MARKDOWN, TEXT = "text/csv", "application/json", "text/markdown", "text/plain"
ARRAYS, MODEL, GRAPH = "application/zip", "application/zip", "application/octet-stream"


class Part(NamedTuple):
    """A kind of file of a results folder.

    Attributes:
        pattern: Where such files are, relative to the folder.
        title: What they are; `{}` stands for the folders above the file.
        media_type: Their media type; None where it follows from the name.
        output: Whether it is a result that a reader asks for, and not one on the way to it.
    """

    pattern: str
    title: str
    media_type: str | None = None
    output: bool = False


PARTS = (
    Part("report.html", "The report as a page", output=True),
    Part("report.csv", "Accuracy and latency of every model", output=True),
    Part("comparisons.csv", "Comparisons of the models, with verdicts", output=True),
    Part("recommendation.json", "The models that are recommended for deployment, and why", output=True),
    Part("report.md", "The report as text", output=True),
    Part("robustness.csv", "Accuracy on further test sets", output=True),
    Part("scenarios.csv", "Figures of MLPerf's scenarios on LoadGen", output=True),
    Part(f"{CHECKSUMS}*", "SHA-256 of files of this crate", TEXT),
    Part("figures/*", "Figure of the page"),
    Part("data/summary.json", "Counts, channel statistics and hashes of the images"),
    Part("data/source.json", "Source that delivered the archive of images"),
    Part("data/samples.png", "Contact sheet of the images"),
    Part("data/test.npz", "Test images and their labels", ARRAYS),
    Part("data/test_sets/*.npz", "A further test set", ARRAYS),
    Part("data/corrupted/*.npz", "Corrupted copy of the test images", ARRAYS),
    Part("checks/*.json", "Check of an untrained network"),
    Part("models/*/seed*/model.keras", "Trained model: {}", MODEL),
    Part("models/*/seed*/history.csv", "Training history: {}"),
    Part("onnx/*/seed*/*.onnx", "Exported model: {}", GRAPH),
    Part("onnx/*/seed*/parity.json", "Agreement of the exported model with Keras: {}"),
    Part("predictions/*/seed*/*.npz", "Class probabilities of all test images: {}", ARRAYS),
    Part("predictions/*/seed*/*/*.npz", "Class probabilities of a further test set: {}", ARRAYS),
    Part("latency/*/samples.csv", "Every timed call: {}"),
    Part("latency/*/host.json", "Environment in which the calls were timed: {}"),
    Part("profile/*/operators.csv", "Share of the time of each operator: {}"),
    Part("model_repository/**/*", "Bundle for deployment: {}", output=False),
)
MEDIA_TYPES = {".csv": CSV, ".json": JSON, ".md": MARKDOWN, ".txt": TEXT, ".html": "text/html", ".png": "image/png"}
MEDIA_TYPES |= {".svg": "image/svg+xml", ".npz": ARRAYS, ".onnx": GRAPH, ".pbtxt": TEXT, ".yaml": "application/yaml"}


class Member(NamedTuple):
    """A file of a crate.

    Attributes:
        source: Its content: a file, or the bytes themselves.
        title: What it is.
        media_type: Its media type.
        output: See `Part`.
    """

    source: Path | bytes
    title: str
    media_type: str
    output: bool = False

    @property
    def size(self) -> int:
        """Return its size in bytes."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    @property
    def is_program(self) -> bool:
        """Return whether it may be executed, such as the workflow's own `resbench`."""
        return not isinstance(self.source, bytes) and os.access(self.source, os.X_OK)


def lock_file(packages: set[str]) -> str:
    """Return the name of the lock file of an environment.

    Args:
        packages: What was installed there.

    Returns:
        The name of a file in the checkout.
    """
    return next((name for package, name in LOCKS.items() if package in packages), LOCKS["onnxruntime"])


def members(results: Path, workflow: Path, lock: str) -> dict[str, Member]:
    """Return the files of a run's crate, by their paths in it.

    Args:
        results: Folder of a finished run.
        workflow: Folder of the workflow's Snakefile.
        lock: Name of the run's lock file, which lies in the folder above the workflow's.

    Returns:
        The files, by their paths in the crate.

    Raises:
        ResbenchError: A file that the crate needs is missing or unreadable.
    """
    found = {name: member for part in PARTS for name, member in _files(results, part)}
    found |= _elsewhere(results, found)
    configuration = read_configuration(results / "report.html")
    found[CONFIGURATION] = Member(configuration.encode(), "Configuration of the run", MEDIA_TYPES[".yaml"])
    found |= _workflow(workflow)
    found |= _own_variants(results)
    for name in (lock, "pyproject.toml", "LICENSE"):
        if (path := workflow.parent / name).is_file():
            found[name] = Member(path, "Every version of the environment" if name == lock else name, TEXT)
    return dict(sorted(found.items()))


def _files(results: Path, part: Part) -> Iterator[tuple[str, Member]]:
    for path in sorted(results.glob(part.pattern)):
        relative = path.relative_to(results)
        if path.is_file() and not any(name.startswith(".") for name in relative.parts):
            media_type = part.media_type or MEDIA_TYPES.get(path.suffix, "application/octet-stream")
            title = part.title.format(" ".join([*relative.parts[1:-1], path.stem]))
            yield relative.as_posix(), Member(path, title, media_type, part.output)


def _elsewhere(results: Path, found: dict[str, Member]) -> dict[str, Member]:
    """Return further files that the checksums name, which others measured, and the checksums with their new places.

    They are in folders of `resbench measure`, mostly outside of the results.
    """
    changed: dict[str, Member] = {}
    for sums in [name for name in found if name.startswith(CHECKSUMS)]:
        hashes = read_checksums(results / sums, outside=True)
        places = {name: _inside(name) for name in hashes}
        for name, place in places.items():
            if name not in found and (results / name).is_file():
                media_type = MEDIA_TYPES.get(Path(name).suffix, TEXT)
                changed[place] = Member(results / name, "Measured on another machine", media_type)
        text = "".join(f"{hashes[name]}  {place}\n" for name, place in places.items())
        changed[sums] = found[sums]._replace(source=text.encode())
    return changed


def _inside(name: str) -> str:
    """Return the place in the crate of a file that checksums name, by how many folders up and then down it is."""
    parts = Path(os.path.normpath(name)).parts
    up = parts.count("..")
    return "/".join([ELSEWHERE, str(up), *parts[up:]]) if up else name


def _workflow(folder: Path) -> dict[str, Member]:
    if not (folder / "Snakefile").is_file():
        raise ResbenchError(f"{folder}: holds no Snakefile; name the folder `workflow` of a checkout with --workflow")
    paths = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {
        f"workflow/{path.relative_to(folder).as_posix()}": Member(path, "Part of the workflow", TEXT)
        for path in paths
        if not any(name.startswith(".") for name in path.relative_to(folder).parts)
    }


def _own_variants(results: Path) -> dict[str, Member]:
    """Return the files of the networks that the user wrote, as far as they are still there."""
    found: dict[str, Member] = {}
    for variant in sorted({path.parents[1].name for path in results.glob("models/*/seed*/model.keras")}):
        try:
            file = variant_file(variant)
        except ResbenchError as error:
            say(f"note: a network is not packed, so that nobody can run this again: {error}")
            continue
        if file.parent != OWN_FOLDER:
            for path in variant_files(variant):
                if path.is_relative_to(file.parent):
                    name = f"{VARIANTS}/{path.relative_to(file.parent).as_posix()}"
                    found[name] = Member(path, f"Network of the user's own: {variant}", TEXT)
    return found

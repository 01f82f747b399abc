"""The digest of a stage's code: it changes with what affects the result, and with nothing else."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from resbench import stages
from resbench.training.protocols import PROTOCOLS

PACKAGE = Path(stages.__file__).parent
RULES = PACKAGE.parent / "rules"


def digest(package: Path, stage: str, variants: Path | None = None, **chosen: object) -> str:
    """The digest that a copy of the package computes of itself."""
    code = f"from resbench.stages import code_digest; print(code_digest({stage!r}, **{chosen!r}))"
    environment = {"PYTHONPATH": str(package.parent)} | ({"RESBENCH_VARIANTS": str(variants)} if variants else {})
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    return answer.stdout


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(PACKAGE, tmp_path / "ein Ort mit Umlauten äöü" / "resbench", ignore=ignored))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def commands() -> dict[str, set[str]]:
    """The modules that each sub-command of the command line imports."""
    return {
        function.name: {
            node.module for node in ast.walk(function) if isinstance(node, ast.ImportFrom) and node.module is not None
        }
        for path in (PACKAGE / "cli").glob("*.py")
        for function in ast.parse(path.read_text()).body
        if isinstance(function, ast.FunctionDef)
    }


@pytest.mark.parametrize("stage", stages.STAGES)
def test_what_a_sub_command_imports_belongs_to_its_stage_or_is_neutral(stage: str) -> None:
    modules = {name for name in commands()[stage] if name.startswith("resbench")}
    files = stages.stage_files(stage)
    assert {name for name in modules - stages.NEUTRAL if PACKAGE / stages._module_path(name) not in files} == set()


@pytest.mark.parametrize(
    "stage", ["convert", "evaluate", "latency", "profile", "scenarios", "collate", "page", "bundle"]
)
def test_whatever_a_stage_imports_belongs_to_it_or_is_neutral(stage: str) -> None:
    """Imported for real, so that an import that the syntax does not show is found, too."""
    imports = "".join(f"import {name}\n" for name in stages.STAGES[stage].modules)
    listing = "import sys; print(*(m for m in sys.modules if m.split('.')[0] == 'resbench'))"
    answer = subprocess.run([sys.executable, "-c", imports + listing], capture_output=True, text=True, check=True)
    shaping = {name for name in answer.stdout.split() if name not in stages.NEUTRAL}
    files = stages.stage_files(stage)
    packages = {name for name in shaping if (PACKAGE / stages._module_path(name)).name == "__init__.py"}
    assert shaping - packages
    assert {name for name in shaping - packages if PACKAGE / stages._module_path(name) not in files} == set()


@pytest.mark.parametrize("stage", ["collate", "robustness", "page", "bundle"])
def test_what_reads_measurements_does_not_depend_on_the_code_that_trains_or_times(stage: str) -> None:
    measuring = {path.name for path in stages.stage_files(stage) if path.parent == PACKAGE / "benchmark"}
    assert measuring <= {"columns.py", "predictions.py"}
    training = {path.name for path in stages.stage_files(stage) if path.parent == PACKAGE / "training"}
    assert not training & {"images.py", "job.py", "loop.py", "network.py", "outputs.py", "plan.py"}


def test_no_module_is_imported_by_a_name_that_is_computed_except_variants_and_runtimes() -> None:
    dynamic = {path for path in PACKAGE.rglob("*.py") if "import_module(" in path.read_text()}
    assert {str(path.relative_to(PACKAGE)) for path in dynamic} <= {
        "networks/registry.py",
        "runtime/backend.py",
    }


def test_neutral_modules_exist() -> None:
    assert {name for name in stages.NEUTRAL if not (PACKAGE / stages._module_path(name)).is_file()} == set()


def test_every_file_of_data_belongs_to_a_stage() -> None:
    data = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".typed")}
    assert data
    rest = data - frozenset().union(*map(stages.stage_files, stages.STAGES))
    # A page is not made again after an edit of what only `resbench compare` shows, which is no stage.
    assert {path.relative_to(PACKAGE).as_posix() for path in rest} == {"compare/templates/compare.html.j2"}


def test_every_rule_depends_on_the_code_of_a_stage() -> None:
    text = "".join(path.read_text() for path in sorted(RULES.glob("*.smk")))
    rules = re.split(r"^ *rule (\w+):$", text, flags=re.MULTILINE)[1:]
    used = {
        name: set(re.findall(r'code_digest\(\s*"(\w+)"', body))
        for name, body in zip(rules[::2], rules[1::2], strict=True)
    }
    assert [name for name, stage in used.items() if len(stage) != 1] == ["download"]
    assert set().union(*used.values()) == stages.STAGES.keys()


def test_a_digest_is_the_same_wherever_the_package_lies_and_whatever_its_dates(copied: Path) -> None:
    expected = stages.code_digest("train", variant="pool", protocol="notebook")
    assert digest(copied, "train", variant="pool", protocol="notebook") == f"{expected}\n"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("training/job.py", '"""', '"""Once more: '),
        ("training/job.py", "not enough memory;", "memory ran out:"),
        ("training/job.py", "import json", "import json  # a comment"),
        ("training/devices.py", "POLL_S = 1.0", "POLL_S = 2.0"),
        ("common/errors.py", "240", "250"),
        ("networks/variants/basic.py", "def build(", "WIDTH = 3\n\n\ndef build("),
    ],
)
def test_what_affects_no_result_changes_no_digest(copied: Path, name: str, old: str, new: str) -> None:
    before = digest(copied, "train", variant="pool", protocol="notebook")
    edit(copied / name, old, new)
    assert digest(copied, "train", variant="pool", protocol="notebook") == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("training/adam.py", "import keras", "import keras\n\nBETA = 0.8"),
        ("networks/layers.py", "import keras", "import keras\n\nWIDTH = 3"),
        ("networks/variants/pool.py", "def build(", "WIDTH = 3\n\n\ndef build("),
    ],
)
def test_an_edit_of_what_affects_the_result_changes_the_digest(copied: Path, name: str, old: str, new: str) -> None:
    before = digest(copied, "train", variant="pool", protocol="notebook")
    edit(copied / name, old, new)
    assert digest(copied, "train", variant="pool", protocol="notebook") != before


@pytest.mark.parametrize(
    ("words", "file"),
    [
        ("from my_blocks import stem", "deeper.py"),
        ("import my_blocks", "deeper.py"),
        ("from .my_blocks import stem", "deeper.py"),
        ("from resbench.networks.variants import my_blocks", "deeper.py"),
        ("from resbench.networks.variants.my_blocks import stem", "deeper.py"),
        ("from blocks.inner import stem", "deeper.py"),
        ("import blocks.inner", "blocks/__init__.py"),
        ("from .blocks.inner import stem", "blocks/near.py"),
    ],
)
def test_a_module_next_to_a_variant_of_the_user_belongs_to_it(tmp_path: Path, words: str, file: str) -> None:
    (tmp_path / "blocks").mkdir()
    (tmp_path / "mine.py").write_text(f"{words}\n\n\ndef build(classes): ...\n")
    (tmp_path / "my_blocks.py").write_text("from deeper import WIDTH\n\n\ndef stem(): ...\n")
    (tmp_path / "blocks/inner.py").write_text("from deeper import WIDTH\nfrom .near import SIDE\n")
    for name in ("deeper.py", "blocks/__init__.py", "blocks/near.py"):
        (tmp_path / name).write_text("WIDTH = SIDE = 8\n")
    before = digest(PACKAGE, "train", variant="mine", variants=tmp_path)
    (tmp_path / file).write_text("WIDTH = SIDE = 64\n")
    assert digest(PACKAGE, "train", variant="mine", variants=tmp_path) != before


def test_a_module_of_the_package_belongs_to_a_variant_of_the_user_that_imports_it_from_above(
    copied: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text("from ..layers import probabilities\n\n\ndef build(classes): ...\n")
    before = digest(copied, "train", variant="mine", variants=tmp_path)
    edit(copied / "networks/layers.py", "import keras", "import keras\n\nWIDTH = 1")
    assert digest(copied, "train", variant="mine", variants=tmp_path) != before


def test_the_code_of_a_runtime_belongs_to_the_providers_that_it_executes(copied: Path) -> None:
    before = [digest(copied, "latency", providers=(name,)) for name in ("cpu", "openvino")]
    edit(copied / "runtime/openvino_backend.py", "import numpy", "THREADS = 1\nimport numpy")
    after = [digest(copied, "latency", providers=(name,)) for name in ("cpu", "openvino")]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False]


def test_the_code_of_a_protocol_belongs_to_the_trainings_by_it(copied: Path) -> None:
    def digests() -> list[str]:
        return [digest(copied, "train", variant="pool", protocol=name) for name in PROTOCOLS]

    before = digests()
    assert len(set(before)) == len(PROTOCOLS)
    edit(copied / "training/protocols/onecycle.py", "PEAK = 0.4", "PEAK = 0.3")
    edit(copied / "training/protocols/__init__.py", "import he2015,", "import adagrad, he2015,")
    assert [name for name, old, new in zip(PROTOCOLS, before, digests(), strict=True) if old != new] == ["onecycle"]


def test_a_helper_in_the_package_belongs_to_the_variant_that_imports_it(copied: Path) -> None:
    networks = copied / "networks"
    (networks / "my_blocks.py").write_text("WIDTH = 8\n")
    (networks / "variants/helped.py").write_text("from resbench.networks.my_blocks import WIDTH\n")
    before, other = digest(copied, "train", variant="helped"), digest(copied, "train", variant="pool")
    (networks / "my_blocks.py").write_text("WIDTH = 64\n")
    assert digest(copied, "train", variant="helped") != before
    assert digest(copied, "train", variant="pool") == other

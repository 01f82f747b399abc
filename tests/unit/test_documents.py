"""Documents that are partly made from the code agree with it."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from documents import PARTS, replace_between

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "workflow/resbench"
RULE = re.compile(r"^ *rule (\w+):$", re.MULTILINE)
FILE = re.compile(r"`((?:\w+/)+\w+\.(?:py|smk))`")


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.path.name}-{part.name}")
def test_a_generated_part_is_current(part):
    assert part.path.read_text(encoding="utf-8") == part.current(), "run `make docs`"


def test_only_the_part_between_markers_is_replaced():
    text = "before\n<!-- part -->\nold\n<!-- /part -->\nafter\n"
    assert replace_between(text, "part", "new\n") == "before\n<!-- part -->\nnew\n<!-- /part -->\nafter\n"
    for invalid in (text.replace("<!-- part -->\n", ""), text + text):
        with pytest.raises(ValueError, match="must stand in the text once each"):
            replace_between(invalid, "part", "new")


def test_the_table_of_what_runs_where_has_every_rule():
    section = (ROOT / "docs/hpc.md").read_text(encoding="utf-8").split("## What runs where")[1].partition("\n## ")[0]
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\|[^|]*\|", section, re.MULTILINE)))
    rules = [name for path in (ROOT / "workflow/rules").glob("*.smk") for name in RULE.findall(path.read_text())]
    assert sorted(named) == sorted(rules)


def test_the_files_that_the_documents_name_exist():
    for path in (ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        named = {name for name in FILE.findall(path.read_text(encoding="utf-8")) if not re.search("[A-Z]{2}", name)}
        assert {name for name in named if not any((place / name).exists() for place in (ROOT, PACKAGE))} == set()


def test_the_jobs_of_a_folder_are_found_also_with_spaces_in_its_path(tmp_path):
    """The function in docs/hpc.md, with a squeue that lists jobs of three folders."""
    document = (ROOT / "docs/hpc.md").read_text(encoding="utf-8")
    function = re.search(r"^mine\(\) \{.*?^\}$", document, re.MULTILINE | re.DOTALL)[0]
    folder = tmp_path / "my  runs" / "a b"
    folder.mkdir(parents=True)
    jobs = [f"11 {folder}", f"12_[1-3] {folder}", f"13 {folder.parent}", f"14 {folder}/c"]
    (tmp_path / "squeue").write_text("#!/bin/sh\n" + "".join(f"echo '{job}'\n" for job in jobs))
    (tmp_path / "squeue").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "-c", f"{function}\nmine"]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["11", "12_[1-3]"]

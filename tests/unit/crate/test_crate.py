"""A crate of a run: what it holds, that the validator accepts it, and that verify and compare read it."""

import importlib.resources
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from resbench.cli import app
from resbench.common.errors import ResbenchError
from resbench.common.files import read_checksums, write_checksums
from resbench.crate import pack
from resbench.crate.contents import lock_file
from resbench.crate.pack import pack_results
from resbench.crate.reading import results_folder
from resbench.report.schema import read_report
from typer.testing import CliRunner

HERE = Path(__file__).parent
VALIDATOR = os.environ.get("ROC_VALIDATOR")  # Python of an environment with roc-validator, as .ci/run makes it


@pytest.fixture(scope="module")
def crate(finished_page, tmp_path_factory):
    path = tmp_path_factory.mktemp("crate") / "run.crate.zip"
    pack_results(finished_page, path, author="Ada Lovelace <https://orcid.org/0000-0002-1825-0097>")
    return path


def description(crate):
    with zipfile.ZipFile(crate) as archive:
        graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    return {entity["@id"]: entity for entity in graph}


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_it_holds_the_run_and_what_made_it(crate, finished_page):
    with zipfile.ZipFile(crate) as archive:
        names = set(archive.namelist())
        assert archive.testzip() is None
        assert archive.getinfo("workflow/bin/resbench").external_attr >> 16 == 0o755
        assert archive.read("config/config.yaml").decode().startswith("seeds:\n- 0\nvariants:\n- pool\n- basic\n")
        for name in ("report.csv", "models/pool/seed0/model.keras", "SHA256SUMS.page"):
            assert archive.read(name) == (finished_page / name).read_bytes()
    assert {"workflow/Snakefile", "workflow/rules/train.smk", "workflow/resbench/stages.py", "README.md"} < names
    assert {"requirements.lock", "report.html", "latency/cpu/samples.csv", "model_repository/pool/1/model.onnx"} < names
    assert not [name for name in names if "__pycache__" in name or "/." in name or name == "data/train.npz"]


def test_networks_of_the_users_own_are_packed_and_found_when_it_is_run_again(run_page, tmp_path, monkeypatch, capsys):
    (run_page / "models/mine/seed0").mkdir(parents=True)
    (run_page / "models/mine/seed0/model.keras").write_bytes(b"")
    pack_results(run_page, tmp_path / "without.zip")
    assert "not packed, so that nobody can run this again: variant 'mine'" in capsys.readouterr().err
    (tmp_path / "mine.py").write_text("from blocks import WIDTH\n\n\ndef build(classes): ...\n")
    (tmp_path / "blocks.py").write_text("WIDTH = 3\n")
    monkeypatch.setenv("RESBENCH_VARIANTS", str(tmp_path))
    pack_results(run_page, tmp_path / "with.zip")
    for name, words in (("without", "  `snakemake"), ("with", '  `RESBENCH_VARIANTS="$PWD/variants" snakemake')):
        with zipfile.ZipFile(tmp_path / f"{name}.zip") as archive:
            own = {member for member in archive.namelist() if member.startswith("variants/")}
            assert words in archive.read("README.md").decode()
        assert own == ({"variants/mine.py", "variants/blocks.py"} if name == "with" else set())


def test_it_is_called_by_the_name_of_the_images_in_the_report(run_page, tmp_path):
    report = run_page / "report.csv"
    row = read_report(report).iloc[0]
    report.write_text(report.read_text().replace(row["dataset"], "photos of mine"))
    for sums in run_page.glob("SHA256SUMS*"):
        write_checksums(sums, [run_page / name for name in read_checksums(sums)])
    pack_results(run_page, tmp_path / "run.zip")
    assert description(tmp_path / "run.zip")["./"]["name"].endswith(" on photos of mine")


def test_every_file_is_described_and_the_run_says_what_made_what(crate):
    entities = description(crate)
    with zipfile.ZipFile(crate) as archive:
        sizes = {info.filename: str(info.file_size) for info in archive.infolist()}
    del sizes["ro-crate-metadata.json"]
    parts = {part["@id"] for part in entities["./"]["hasPart"]}
    assert parts == sizes.keys()
    assert {name: entities[name]["contentSize"] for name in parts} == sizes
    assert all(entities[name]["name"] and entities[name]["encodingFormat"] for name in parts)
    run = entities["#run"]
    assert (entities["./"]["mainEntity"], run["instrument"]) == ({"@id": "workflow/Snakefile"},) * 2
    assert {"@id": "config/config.yaml"} in run["object"]
    assert {"report.html", "report.csv", "recommendation.json"} < {part["@id"] for part in run["result"]}
    assert entities[run["agent"]["@id"]]["name"] == "Ada Lovelace"


def test_the_same_results_give_the_same_bytes(crate, finished_page, tmp_path):
    again = tmp_path / "run.crate.zip"
    pack_results(finished_page, again, author="Ada Lovelace <https://orcid.org/0000-0002-1825-0097>")
    assert again.read_bytes() == crate.read_bytes()


def validated(crate: Path) -> subprocess.CompletedProcess[str]:
    """What the validator says of a crate."""
    if not VALIDATOR:
        pytest.skip("ROC_VALIDATOR names no Python with roc-validator")
    context = importlib.resources.files("rocrate") / "data/ro-crate.jsonld"
    command = [VALIDATOR, str(HERE / "validate_crate.py"), str(crate), str(context)]
    return subprocess.run(command, capture_output=True, text=True, env={"PATH": os.defpath}, timeout=300)


def test_the_validator_accepts_it(crate):
    done = validated(crate)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["checks"] > 100
    assert [text for severity, text in answer["issues"] if severity == "REQUIRED"] == []
    # The rest: an organisation as publisher and affiliation, and a rule about the class of all software itself.
    assert {text for _, text in answer["issues"] if "publisher" not in text and "affiliation" not in text} <= {
        "The SoftwareApplication id SHOULD be an absolute URI"
    }


def test_the_validator_refuses_a_crate_without_its_workflow(crate, tmp_path):
    spoiled = rewritten(crate, tmp_path, {"ro-crate-metadata.json": lambda text: text.replace(b"mainEntity", b"about")})
    assert "REQUIRED" in {severity for severity, _ in json.loads(validated(spoiled).stdout)["issues"]}


def rewritten(crate, folder, changes):
    """A copy with some members changed."""
    path = folder / "changed.crate.zip"
    with zipfile.ZipFile(crate) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(info, changes.get(info.filename, lambda content: content)(content))
    return path


def test_verify_and_compare_read_it(crate, finished_page):
    done = invoke("verify", crate, "--threads", "1")
    assert (done.exit_code, done.stdout) == (0, f"{crate}: everything that was checked follows from the raw files\n")
    done = invoke("compare", crate, finished_page, "--exact")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"old: {crate}\nnew: {finished_page}\n\nReproduced, bit for bit")


def test_tampering_inside_of_it_is_named(crate, tmp_path):
    spoiled = rewritten(crate, tmp_path, {"report.csv": lambda text: text.replace(b"a host", b"fast host", 1)})
    done = invoke("verify", spoiled, "--threads", "1")
    assert done.exit_code == 1
    assert re.search(rf"^{re.escape(str(spoiled))}/report\.csv: row 1 \(.*\): host is 'fast host'", done.stdout, re.M)
    assert "resbench-crate-" not in done.output


def test_its_errors_name_the_crate(crate, tmp_path):
    spoiled = rewritten(crate, tmp_path, {"predictions/pool/seed0/fp32-cpu.npz": lambda content: content[:50]})
    done = invoke("compare", spoiled, spoiled)
    assert done.exit_code == 2
    assert f"{spoiled}/predictions/pool/seed0/fp32-cpu.npz: not a readable predictions file" in done.stderr
    assert "resbench-crate-" not in done.output


@pytest.mark.parametrize(
    ("place", "packed"), [("../elsewhere", "measured_elsewhere/1/elsewhere"), ("boards/one", "boards/one")]
)
def test_timings_from_elsewhere_come_along(place, packed, run_page, tmp_path):
    elsewhere = run_page / place / "latency/cpu"
    elsewhere.parent.mkdir(parents=True)
    (run_page / "latency/cpu").rename(elsewhere)
    for name in ("SHA256SUMS", "SHA256SUMS.page"):
        text = (run_page / name).read_text()
        (run_page / name).write_text(text.replace("  latency/", f"  {place}/latency/"))
    crate = tmp_path / "run.crate.zip"
    pack_results(run_page, crate)
    assert f"{packed}/latency/cpu/samples.csv" in description(crate)
    done = invoke("verify", crate, "--threads", "1")
    assert (done.exit_code, done.stdout.count("\n")) == (0, 1), done.stdout


def test_a_run_that_is_not_sound_is_not_packed(run_page, tmp_path):
    with (run_page / "latency/cpu/samples.csv").open("a") as stream:
        stream.write("\n")
    with pytest.raises(ResbenchError, match=r"samples\.csv: was changed or replaced: .*; `resbench verify"):
        pack_results(run_page, tmp_path / "run.crate.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_a_full_disk_leaves_an_earlier_crate_alone(crate, finished_page, tmp_path, monkeypatch):
    def fail(source):
        raise OSError(28, "No space left on device")

    shutil.copyfile(crate, tmp_path / "run.crate.zip")
    monkeypatch.setattr(pack, "_blocks", fail)
    with pytest.raises(OSError, match="No space left"):
        pack_results(finished_page, tmp_path / "run.crate.zip")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [crate.read_bytes()]


def test_a_workflow_of_another_commit_is_noted(finished_page, tmp_path, monkeypatch, capsys):
    for commit, noted in (("0" * 40, True), ("1" * 40, False)):
        monkeypatch.setattr(pack, "git_state", lambda commit=commit: {"commit": commit, "dirty": False})
        pack_results(finished_page, tmp_path / "run.crate.zip")
        line = f"note: the workflow that is packed is of commit {commit}, but the run of {'1' * 40}"
        assert (line in capsys.readouterr().err) == noted


@pytest.mark.parametrize("name", ["results/report.csv", "results/models/pool/seed0/model.keras", "results/data"])
def test_only_a_crate_is_replaced(name, run_page, tmp_path):
    target = tmp_path / name
    before = target.read_bytes() if target.is_file() else sorted(target.iterdir())
    with pytest.raises(ResbenchError, match="is there, and is not a crate that could be replaced; name another file"):
        pack_results(run_page, target)
    assert before == (target.read_bytes() if target.is_file() else sorted(target.iterdir()))


@pytest.mark.parametrize("author", ["Ada <ada@example.org>", "<https://orcid.org/0000-0002-1825-0097>", "Ada <x"])
def test_an_author_who_is_no_name_with_a_url_is_refused(author, tmp_path):
    done = invoke("pack", tmp_path, "-o", tmp_path / "run.zip", "--author", author)
    assert f"--author {author!r}: write a name, or 'NAME <URL>'" in str(done.exception)


def test_commands_in_its_readme_can_be_copied_whatever_its_name(finished_page, tmp_path):
    crate = tmp_path / "my run.zip"
    pack_results(finished_page, crate, author="Ada Lovelace")
    with zipfile.ZipFile(crate) as archive:
        assert "`resbench verify 'my run.zip'`" in archive.read("README.md").decode()
    assert description(crate)["#author"]["name"] == "Ada Lovelace"


def test_the_lock_file_is_that_of_the_installed_runtime():
    assert lock_file({"numpy", "onnxruntime"}) == lock_file(set()) == "requirements.lock"
    assert lock_file({"onnxruntime-gpu"}) == lock_file({"onnxruntime", "onnxruntime-gpu"}) == "requirements-gpu.lock"


def test_no_finished_run_is_one_line(tmp_path):
    done = invoke("pack", tmp_path, "-o", tmp_path / "run.crate.zip")
    assert done.exit_code == 1
    assert isinstance(done.exception, ResbenchError)
    assert "is not a finished run" in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_an_installed_package_says_where_the_workflow_is_missing(finished_page, tmp_path):
    with pytest.raises(ResbenchError, match="holds no Snakefile; name the folder `workflow` of a checkout"):
        pack_results(finished_page, tmp_path / "run.crate.zip", workflow=tmp_path)


def link(archive):
    info = zipfile.ZipInfo("latency")
    info.external_attr = 0o120777 << 16
    archive.writestr(info, "/etc")


def bomb(archive):
    archive.writestr("report.csv", bytes(300 << 20), zipfile.ZIP_DEFLATED)


def twice(archive):
    archive.writestr("SHA256SUMS", "")
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("SHA256SUMS", "")


HOSTILE = {
    "a link": (link, "'latency' is a link or a special file"),
    "a path outside": (lambda archive: archive.writestr("../outside", ""), "'../outside' points outside the archive"),
    "an absolute path": (lambda archive: archive.writestr("/tmp/outside", ""), "points outside the archive"),
    "a drive": (lambda archive: archive.writestr("C:/outside", ""), "holds a file whose name is not a plain path"),
    "a line break": (lambda archive: archive.writestr("a\nb", ""), "holds a file whose name is not a plain path"),
    "a space at the end": (lambda archive: archive.writestr("a ", ""), "holds a file whose name is not a plain path"),
    "a bomb": (bomb, "unpacks to more than"),
    "a file twice": (twice, "holds SHA256SUMS twice"),
    "a file as a folder": (
        lambda archive: [archive.writestr(name, "") for name in ("data", "data/test.npz")],
        "holds data twice",
    ),
    "nothing of a crate": (lambda archive: archive.writestr("a", ""), r"holds no ro-crate-metadata\.json"),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("command", ["verify", "compare"])
def test_a_hostile_crate_is_one_line_and_leaves_nothing(kind, command, tmp_path, monkeypatch):
    write, said = HOSTILE[kind]
    crate, temporary = tmp_path / "run.crate.zip", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with zipfile.ZipFile(crate, "w") as archive:
        write(archive)
    done = invoke(command, crate, *([crate] if command == "compare" else []))
    text = str(done.exception) if command == "verify" else done.stderr.strip()
    assert done.exit_code == (1 if command == "verify" else 2)
    assert re.search(said, text), text
    assert str(crate) in text
    assert "\n" not in text
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\3\4 and no more"])
def test_another_file_is_one_line(content, tmp_path):
    path = tmp_path / "run.crate.zip"
    path.write_bytes(content)
    said = r"run\.crate\.zip: (not a zip archive|ends too early)"
    with pytest.raises(ResbenchError, match=said), results_folder(path):
        pass


def test_a_crate_s_checksums_cannot_lead_out_of_it(crate, tmp_path):
    outside = b"0" * 64 + b"  ../../etc/passwd\n"
    spoiled = rewritten(crate, tmp_path, {"SHA256SUMS": lambda text: outside + text})
    done = invoke("verify", spoiled)
    assert "SHA256SUMS: line 1 names a file outside of its folder" in str(done.exception)


def test_an_interrupt_leaves_nothing(crate, tmp_path):
    """As by Ctrl-C, while the crate's models run again."""
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "resbench", "verify", str(crate)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not list(tmp_path.glob("resbench-crate-*/report.csv")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []

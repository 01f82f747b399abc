"""The host's description: complete, ready for JSON, and read from where the truth is."""

import json
import os

import onnxruntime
import pytest
from resbench.benchmark import host
from resbench.benchmark.host import describe_host
from resbench.common.system import available_cores


def test_description_is_json_and_names_machine_and_versions():
    found = json.loads(json.dumps(describe_host("cpu"), allow_nan=False))
    assert found["name"].endswith(("core", "cores"))
    assert found["processor"] in found["name"]
    assert found["cores_available"] == available_cores()
    assert found["cores_logical"] >= found["cores_available"]
    assert found["memory_gb"] > 0.1
    assert onnxruntime.__version__ in found["packages"].values()
    assert {"numpy", "tensorflow"} <= set(found["packages"])
    assert found["time_utc"].endswith("+00:00")
    assert found["environment"] == f"{found['name']}, ONNX Runtime {onnxruntime.__version__}"


@pytest.mark.parametrize(("cores", "quota", "said"), [(4, None, "4 cores"), (4, 1.0, "1 core"), (2, 3.5, "2 cores")])
def test_the_name_has_the_cores_that_may_be_used(monkeypatch, cores, quota, said):
    monkeypatch.setattr(host, "available_cores", lambda: cores)
    monkeypatch.setattr(host, "cpu_quota", lambda: quota)
    assert describe_host("cpu")["name"].endswith(f", {said}")


def test_gpu_leads_the_name_only_where_it_is_measured(monkeypatch):
    monkeypatch.setattr(host, "_gpus", lambda: [{"name": "NVIDIA H100", "driver": "570.1"}])
    assert describe_host("cuda")["name"].startswith("NVIDIA H100, ")
    assert "H100" not in describe_host("cpu")["name"]
    assert describe_host("cpu")["gpus"] == [{"name": "NVIDIA H100", "driver": "570.1"}]


def test_nvidia_smi_is_read(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    result = "NVIDIA H100 80GB HBM3, 570.1, 1980, 1980, 2619, 700.00, Enabled\n"
    result += "NVIDIA T4, 570.1, 300, 1590, 405, 70.00, Disabled"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{result}\nEND\n")
    program.chmod(0o755)
    first, second = host._gpus()
    assert first == {
        "name": "NVIDIA H100 80GB HBM3",
        "driver": "570.1",
        "clock_mhz": "1980",
        "clock_max_mhz": "1980",
        "memory_clock_mhz": "2619",
        "power_limit_w": "700.00",
        "persistence": "Enabled",
    }
    assert (second["name"], second["clock_mhz"]) == ("NVIDIA T4", "300")
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed' && exit 9\n")
    assert host._gpus() == []


@pytest.mark.parametrize("name", ["SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"])
def test_batch_job_is_named(monkeypatch, name):
    for other in host.JOB_IDS:
        monkeypatch.delenv(other, raising=False)
    assert describe_host("cpu")["job_id"] is None
    monkeypatch.setenv(name, "4711")
    assert describe_host("cpu")["job_id"] == "4711"


def test_governor_and_threads_a_core_are_read_where_the_kernel_shows_them(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "SYSTEM_CORES", tmp_path)
    assert (host.governor(), host._smt()) == (None, None)
    core = min(os.sched_getaffinity(0))
    for name, content in ((f"cpu{core}/cpufreq/scaling_governor", "powersave\n"), ("smt/active", "1\n")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(content)
    assert (host.governor(), host._smt()) == ("powersave", True)

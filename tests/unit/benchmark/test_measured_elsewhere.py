"""A folder of `resbench measure` gives the samples and the host of each provider."""

import pytest
from resbench.benchmark.measured_elsewhere import measured_timings
from resbench.common.errors import ResbenchError


def test_each_provider_gives_its_samples_and_host(tmp_path):
    for name in ("openvino", "cpu"):
        (tmp_path / "latency" / name).mkdir(parents=True)
        (tmp_path / "latency" / name / "samples.csv").write_text("")
    cpu, openvino = measured_timings(tmp_path)
    assert cpu == (tmp_path / "latency/cpu/samples.csv", tmp_path / "latency/cpu/host.json")
    assert openvino[0].parent.name == "openvino"


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(ResbenchError, match="name a folder of `resbench measure`"):
        measured_timings(tmp_path)

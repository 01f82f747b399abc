"""CPU limits of control groups are read under v2, v1 and both at once, in containers too."""

import pytest
from resbench.common import cgroups

LIMIT = {"cpu.cfs_quota_us": "25000", "cpu.cfs_period_us": "100000"}
NO_LIMIT = {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Writes /proc/self/cgroup and the files of groups below /sys/fs/cgroup."""

    def write(membership, files):
        (tmp_path / "cgroup").write_text(membership)
        for folder, contents in files.items():
            (tmp_path / "fs" / folder).mkdir(parents=True, exist_ok=True)
            for name, content in contents.items():
                (tmp_path / "fs" / folder / name).write_text(f"{content}\n")
        monkeypatch.setattr(cgroups, "MEMBERSHIP", tmp_path / "cgroup")
        monkeypatch.setattr(cgroups, "ROOT", tmp_path / "fs")

    return write


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/a/b\n", {"a/b": {}}, None),
        ("0::/a/b\n", {"a/b": {"cpu.max": "max 100000"}}, None),
        ("0::/a/b\n", {"a": {"cpu.max": "150000 100000"}, "a/b": {"cpu.max": "max 100000"}}, 1.5),
        ("0::/a/b\n", {"a": {"cpu.max": "150000 100000"}, "a/b": {"cpu.max": "250000 100000"}}, 1.5),
        ("1:memory:/x\n2:cpu:/job\n0::/\n", {"cpu": NO_LIMIT, "cpu/job": LIMIT, "memory/x": {}}, 0.25),
        ("4:cpu,cpuacct:/job\n", {"cpu,cpuacct": NO_LIMIT, "cpu,cpuacct/job": LIMIT}, 0.25),
        ("4:cpu,cpuacct:/job\n", {"cpu/job": LIMIT}, 0.25),
        ("4:cpu:/docker/0123\n", {"cpu": LIMIT}, 0.25),  # the host's path; the container's group is the root
        ("4:cpu:/job\n", {"cpu/job": NO_LIMIT}, None),
        ("5:cpuset:/job\n", {"cpuset/job": LIMIT}, None),
        ("", {}, None),
    ],
)
def test_quota_is_the_tightest_on_the_way_to_the_root(groups, membership, files, cores):
    groups(membership, files)
    assert cgroups.cpu_quota() == cores


@pytest.mark.parametrize(("membership", "folder"), [("0::/job\n", "job"), ("2:cpu:/job\n", "cpu/job")])
def test_throttling_is_counted(groups, membership, folder):
    groups(membership, {folder: {"cpu.stat": "nr_periods 108\nnr_throttled 101\nthrottled_time 7"}})
    assert cgroups.throttle_count() == 101


def test_this_process_has_limits_or_none():
    quota = cgroups.cpu_quota()
    assert quota is None or quota > 0
    assert cgroups.throttle_count() >= 0

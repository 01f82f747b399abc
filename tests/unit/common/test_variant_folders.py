"""The folders of variants."""

from resbench.common.variants import variant_folders


def test_the_users_folder_is_an_absolute_path(tmp_path, monkeypatch):
    """As the file of an imported module is: a message about an error in it names the line."""
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESBENCH_VARIANTS", "mine")
    assert variant_folders()[1:] == [tmp_path / "mine"]

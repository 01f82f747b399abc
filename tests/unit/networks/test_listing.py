"""`resbench variants` lists what works and says what does not."""

from resbench.networks import listing
from resbench.networks.listing import describe_variants

FILES = {
    "listed_helper": "WIDTH = 8\n",
    "listed_unbuilt": "import keras\n\n\ndef build(classes):\n    return keras.layers.Dense(WIDTH)\n",
    "listed_broken": "import no_such_module\n",
    "listed_number": "build = 3\n",
    "listed_dict": "from resbench.networks.variants.resnet8 import build\n\nREFERENCE = {'accuracy': 0.9}\n",
    "listed_percent": "from resbench.networks import references\n\nreferences.Reference(91.2, None, None, '')\n",
    "listed_good": "from resbench.networks.variants.resnet8 import build\n",
}


def test_a_faulty_variant_is_one_line_and_a_helper_module_none(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("RESBENCH_VARIANTS", str(tmp_path))
    monkeypatch.setattr(listing, "variant_names", lambda: sorted(FILES))
    _, broken, dictionary, good, number, percent, unbuilt = describe_variants()
    assert broken.startswith(f"listed_broken: {tmp_path}/listed_broken.py: cannot be imported (line 1: ")
    assert dictionary == (
        f"listed_dict: {tmp_path}/listed_dict.py: REFERENCE is a dict; "
        "write a Reference(...) of resbench.networks.references"
    )
    assert "line 3: ValueError: Reference: accuracy=91.2 is not a fraction, such as 0.91" in percent
    assert good.split()[0] == "listed_good"
    assert number.endswith("has no function build(classes); write one that returns a keras.Model")
    assert "NameError: name 'WIDTH' is not defined" in unbuilt

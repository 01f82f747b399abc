"""The builders refuse what no network can be."""

import pytest
from resbench.common.errors import ResbenchError
from resbench.common.variants import variant_names
from resbench.networks import registry
from resbench.networks.deep import deep_network
from resbench.networks.references import Reference
from resbench.training.protocols import PROTOCOLS


@pytest.mark.parametrize(("depth", "bottleneck"), [(21, False), (2, False), (32, True), (-4, False)])
def test_impossible_depths(depth, bottleneck):
    with pytest.raises(ValueError, match=f"depth {depth}"):
        deep_network(10, depth, bottleneck=bottleneck)


@pytest.mark.parametrize("depth", [20, 56])
def test_depth_is_the_number_of_weighted_layers(depth):
    for bottleneck in (False, True):
        model = deep_network(10, depth, bottleneck=bottleneck)
        kernels = [weight for weight in model.trainable_weights if weight.name == "kernel"]
        projections = 3 if bottleneck else 0  # shortcuts are not counted
        assert len(kernels) - projections == depth


def test_unknown_variant_names_the_known_ones():
    with pytest.raises(ResbenchError, match=r"'pol'.*pool"):
        registry.variant("pol")


def test_a_path_is_no_variant():
    with pytest.raises(ResbenchError, match="letters, digits and _"):
        registry.variant("../layers")


def test_references_say_where_they_are_from():
    """Each has an accuracy, a source and a protocol of this suite's; MLPerf Tiny's is a target, not a result."""
    references = {name: registry.reference(name) for name in variant_names()}
    published = {name: found for name, found in references.items() if found}
    assert published["pool"] == Reference(0.7307, 0.9882, "notebook", published["pool"].source)
    assert published["resnet8"].kind == "target"
    assert published["resnet8"].protocol is None
    assert references["resnet14"] is None
    for found in published.values():
        assert 0.5 < found.accuracy < 1
        assert found.source
        assert found.protocol is None or found.protocol in PROTOCOLS

"""The builders refuse what no network can be."""

import pytest
from resbench.common.errors import ResbenchError
from resbench.networks import registry
from resbench.networks.deep import deep_network


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
    with pytest.raises(ResbenchError, match="unknown variant"):
        registry.variant("../layers")

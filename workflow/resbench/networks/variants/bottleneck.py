"""`pool` with bottleneck blocks in place of plain ones."""

import keras

from resbench.networks.layers import bottleneck, published_network
from resbench.networks.references import Reference

REFERENCE = Reference(
    accuracy=0.6965, loss=1.0771, protocol="notebook", source="the published notebook, one run of 10 epochs"
)


def build(classes: int) -> keras.Model:
    return published_network(classes, bottleneck, early_pool=True)

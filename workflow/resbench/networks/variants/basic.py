"""The published network as the notebook starts: one pooling layer, before the head."""

import keras

from resbench.networks.layers import plain, published_network
from resbench.networks.references import Reference

REFERENCE = Reference(
    accuracy=0.6388, loss=1.4769, protocol="notebook", source="the published notebook, one run of 10 epochs"
)


def build(classes: int) -> keras.Model:
    return published_network(classes, plain, early_pool=False)

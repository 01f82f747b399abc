"""ResNet-32 of He et al. (2015): 5 plain blocks a stage."""

import keras

from resbench.networks.deep import deep_network
from resbench.networks.references import Reference

REFERENCE = Reference(
    accuracy=0.9249,
    loss=None,
    protocol="he2015",
    source="He et al., Deep Residual Learning for Image Recognition (2015), Table 6",
)


def build(classes: int) -> keras.Model:
    return deep_network(classes, 32)

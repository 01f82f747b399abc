"""ResNet-110 of He et al. (2015): 18 plain blocks a stage."""

import keras

from resbench.networks.deep import deep_network
from resbench.networks.references import Reference

REFERENCE = Reference(
    accuracy=0.9339,
    loss=None,
    protocol="he2015",
    source="He et al., Deep Residual Learning for Image Recognition (2015), Table 6: mean of 5 runs; best 0.9357",
)
WARM_UP = True  # a plain start at the full learning rate does not converge (He et al. 2015, §4.2)


def build(classes: int) -> keras.Model:
    return deep_network(classes, 110)

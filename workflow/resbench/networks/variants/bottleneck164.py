"""Pre-activation ResNet-164 of He et al. (2016): 18 bottleneck blocks a stage."""

import keras

from resbench.networks.deep import deep_network
from resbench.networks.references import Reference

REFERENCE = Reference(
    accuracy=0.9454,
    loss=None,
    protocol="he2015",
    source="He et al., Identity Mappings in Deep Residual Networks (2016), Table 4",
)
WARM_UP = True  # a plain start at the full learning rate does not converge (He et al. 2015, §4.2)


def build(classes: int) -> keras.Model:
    return deep_network(classes, 164, bottleneck=True, preactivation=True)

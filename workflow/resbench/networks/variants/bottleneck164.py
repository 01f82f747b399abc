"""Pre-activation ResNet-164 of He et al. (2016): 18 bottleneck blocks a stage."""

import keras

from resbench.networks.deep import deep_network

PUBLISHED_ACCURACY = 0.9454
WARM_UP = True  # a plain start at the full learning rate does not converge (He et al. 2015, §4.2)


def build(classes: int) -> keras.Model:
    return deep_network(classes, 164, bottleneck=True, preactivation=True)

"""ResNet-32 of He et al. (2015): 5 plain blocks a stage."""

import keras

from resbench.networks.deep import deep_network

PUBLISHED_ACCURACY = 0.9249


def build(classes: int) -> keras.Model:
    return deep_network(classes, 32)

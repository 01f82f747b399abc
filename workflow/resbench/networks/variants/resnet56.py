"""ResNet-56 of He et al. (2015): 9 plain blocks a stage."""

import keras

from resbench.networks.deep import deep_network

PUBLISHED_ACCURACY = 0.9303


def build(classes: int) -> keras.Model:
    return deep_network(classes, 56)

"""ResNet-44 of He et al. (2015): 7 plain blocks a stage."""

import keras

from resbench.networks.deep import deep_network

PUBLISHED_ACCURACY = 0.9283


def build(classes: int) -> keras.Model:
    return deep_network(classes, 44)

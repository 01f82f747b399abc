"""ResNet-20 of He et al. (2015): 3 plain blocks a stage."""

import keras

from resbench.networks.deep import deep_network

PUBLISHED_ACCURACY = 0.9125


def build(classes: int) -> keras.Model:
    return deep_network(classes, 20)

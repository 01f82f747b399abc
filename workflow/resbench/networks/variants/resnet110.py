"""ResNet-110 of He et al. (2015): 18 plain blocks a stage."""

import keras

from resbench.networks.deep import deep_network

PUBLISHED_ACCURACY = 0.9339  # mean of five runs; the best gave 0.9357
WARM_UP = True  # a plain start at the full learning rate does not converge (He et al. 2015, §4.2)


def build(classes: int) -> keras.Model:
    return deep_network(classes, 110)

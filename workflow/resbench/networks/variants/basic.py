"""The published network as the notebook starts: one pooling layer, before the head."""

import keras

from resbench.networks.layers import plain, published_network

PUBLISHED_ACCURACY = 0.6388
PUBLISHED_LOSS = 1.4769


def build(classes: int) -> keras.Model:
    return published_network(classes, plain, early_pool=False)

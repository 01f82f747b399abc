"""`pool` with bottleneck blocks in place of plain ones."""

import keras

from resbench.networks.layers import bottleneck, published_network

PUBLISHED_ACCURACY = 0.6965
PUBLISHED_LOSS = 1.0771


def build(classes: int) -> keras.Model:
    return published_network(classes, bottleneck, early_pool=True)

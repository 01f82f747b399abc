"""The family of He et al. (2015) at depth 14: 2 plain blocks a stage; not in the paper."""

import keras

from resbench.networks.deep import deep_network


def build(classes: int) -> keras.Model:
    return deep_network(classes, 14)

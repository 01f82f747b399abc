"""The depth of ResNet-110 in bottleneck blocks, 12 a stage: its pair in the study of bottlenecks."""

import keras

from resbench.networks.deep import deep_network

WARM_UP = True  # a plain start at the full learning rate does not converge (He et al. 2015, §4.2)


def build(classes: int) -> keras.Model:
    return deep_network(classes, 110, bottleneck=True)

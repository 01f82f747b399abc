"""The depth of ResNet-56 in bottleneck blocks, 6 a stage: its pair in the study of bottlenecks."""

import keras

from resbench.networks.deep import deep_network


def build(classes: int) -> keras.Model:
    return deep_network(classes, 56, bottleneck=True)

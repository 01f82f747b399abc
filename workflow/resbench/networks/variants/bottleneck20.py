"""The depth of ResNet-20 in bottleneck blocks, 2 a stage: its pair in the study of bottlenecks."""

import keras

from resbench.networks.deep import deep_network


def build(classes: int) -> keras.Model:
    return deep_network(classes, 20, bottleneck=True)

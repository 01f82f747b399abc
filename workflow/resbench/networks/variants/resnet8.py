"""ResNet-8, the image-classification network of MLPerf Tiny, layer by layer.

Banbury et al., "MLPerf Tiny Benchmark" (2021), Table 1, and the model that the benchmark trains: three residual
blocks of 16, 32 and 64 filters, convolutions with biases, and shortcuts of a 1×1 convolution without normalisation.
Pixels are scaled to [0, 1] here, where the benchmark's model takes 0 to 255; the normalisation after the first
convolution makes up for that.
"""

import keras
from keras import KerasTensor, layers

from resbench import IMAGE_SHAPE
from resbench.networks.layers import probabilities
from resbench.networks.references import Reference

REFERENCE = Reference(
    accuracy=0.85,
    loss=None,
    protocol=None,
    source="MLPerf Tiny (Banbury et al. 2021), quality target of image classification: what a submission has to reach",
    kind="target",
)


def build(classes: int) -> keras.Model:
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    x = layers.ReLU()(_normalised(x, 16))
    x = _block(x, 16, 1)
    x = _block(x, 32, 2)
    x = _block(x, 64, 2)
    return keras.Model(image, probabilities(layers.GlobalAveragePooling2D()(x), classes))


def _block(x: KerasTensor, filters: int, stride: int) -> KerasTensor:
    shortcut = _conv(x, filters, 1, stride) if stride > 1 else x
    x = layers.ReLU()(_normalised(x, filters, stride))
    return layers.ReLU()(layers.Add()([shortcut, _normalised(x, filters)]))


def _normalised(x: KerasTensor, filters: int, stride: int = 1) -> KerasTensor:
    return layers.BatchNormalization()(_conv(x, filters, 3, stride))


def _conv(x: KerasTensor, filters: int, size: int, stride: int) -> KerasTensor:
    return layers.Conv2D(filters, size, strides=stride, padding="same", kernel_initializer="he_normal")(x)

"""Building blocks of the published networks: functions from tensor to tensor.

Every tensor is NHWC.  A block keeps height and width; only pooling changes them.
"""

from collections.abc import Callable

import keras
from keras import KerasTensor, layers

from resbench import IMAGE_SHAPE

Block = Callable[[KerasTensor, int], KerasTensor]


def conv(x: KerasTensor, filters: int, size: int) -> KerasTensor:
    return layers.Conv2D(filters, size, padding="same", activation="relu")(x)


def plain(x: KerasTensor, filters: int) -> KerasTensor:
    """Two 3×3 convolutions."""
    return conv(conv(x, filters, 3), filters, 3)


def bottleneck(x: KerasTensor, filters: int) -> KerasTensor:
    """1×1, 3×3 and 1×1 convolutions, all of the same width, as the notebook has them."""
    return conv(conv(conv(x, filters, 1), filters, 3), filters, 1)


def residual(x: KerasTensor, block: Block, filters: int) -> KerasTensor:
    """x + block(x); `filters` must equal x's channels."""
    return layers.Add()([x, block(x, filters)])


def pool(x: KerasTensor) -> KerasTensor:
    return layers.MaxPooling2D(2)(x)


def published_network(classes: int, block: Block, *, early_pool: bool) -> keras.Model:
    """The notebook's network: uint8 images in, class probabilities out.

    Three residual blocks of 64, a block without shortcut that widens to 128, two residual blocks
    of 128, and a dense head.  `early_pool` halves the resolution before the last block.
    """
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    x = conv(x, 64, 3)
    for _ in range(3):
        x = residual(x, block, 64)
    x = block(x, 128)
    x = residual(x, block, 128)
    if early_pool:
        x = pool(x)
    x = residual(x, block, 128)
    x = layers.Flatten()(pool(x))
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dense(64, activation="relu")(x)
    return keras.Model(image, probabilities(x, classes))


def probabilities(x: KerasTensor, classes: int) -> KerasTensor:
    """The head: float32 whatever the precision before it, since a float16 softmax loses small classes."""
    return layers.Dense(classes, activation="softmax", name="probabilities", dtype="float32")(x)

"""Building blocks of the published networks: functions of tensors.

Every tensor is NHWC.  A block keeps height and width; only pooling changes them.
"""

from collections.abc import Callable

import keras
from keras import KerasTensor, layers

from resbench import IMAGE_SHAPE

Block = Callable[[KerasTensor, int], KerasTensor]


def conv(x: KerasTensor, filters: int, size: int) -> KerasTensor:
    """Return a 3×3, or other, convolution with ReLU and the same height and width.

    Args:
        x: (batch, height, width, channels).
        filters: Channels of the output.
        size: Side of the kernel.

    Returns:
        (batch, height, width, filters).
    """
    return layers.Conv2D(filters, size, padding="same", activation="relu")(x)


def plain(x: KerasTensor, filters: int) -> KerasTensor:
    """Return two 3×3 convolutions.

    Args:
        x: (batch, height, width, channels).
        filters: Channels of the output.

    Returns:
        (batch, height, width, filters).
    """
    return conv(conv(x, filters, 3), filters, 3)


def bottleneck(x: KerasTensor, filters: int) -> KerasTensor:
    """Return 1×1, 3×3 and 1×1 convolutions, all of the same width, as in the notebook.

    Args:
        x: (batch, height, width, channels).
        filters: Channels of the output.

    Returns:
        (batch, height, width, filters).
    """
    return conv(conv(conv(x, filters, 1), filters, 3), filters, 1)


def residual(x: KerasTensor, block: Block, filters: int) -> KerasTensor:
    """Return x + block(x).

    Args:
        x: (batch, height, width, channels).
        block: One of the functions above.
        filters: Channels of the block, which must equal those of x.

    Returns:
        The shape of x.
    """
    return layers.Add()([x, block(x, filters)])


def pool(x: KerasTensor) -> KerasTensor:
    """Return the maxima over 2×2 pixels.

    Args:
        x: (batch, height, width, channels).

    Returns:
        (batch, height / 2, width / 2, channels).
    """
    return layers.MaxPooling2D(2)(x)


def published_network(classes: int, block: Block, *, early_pool: bool) -> keras.Model:
    """Return the notebook's network: uint8 images in, class probabilities out.

    It has three residual blocks of width 64, a block without shortcut that widens to 128, two residual blocks of 128,
    and a dense head.

    Args:
        classes: Number of classes.
        block: Convolutions of one block.
        early_pool: Whether to halve the resolution before the last block.

    Returns:
        The untrained network.
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
    """Return the head: a dense layer with softmax.

    It computes in float32 whatever the precision before it, since a float16 softmax loses small probabilities.

    Args:
        x: (batch, features).
        classes: Number of classes.

    Returns:
        (batch, classes).
    """
    return layers.Dense(classes, activation="softmax", name="probabilities", dtype="float32")(x)

"""Deep residual networks for 32×32 images.

He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition" (2015), §4.2, for the plain
blocks; "Identity Mappings in Deep Residual Networks" (2016) for the pre-activation order and the
bottleneck blocks on CIFAR-10, whose widths are four times the inner ones.
"""

import keras
from keras import KerasTensor, layers, ops

from resbench import IMAGE_SHAPE
from resbench.networks.layers import probabilities

INNER_WIDTHS = (16, 32, 64)  # of the three stages, at 32×32, 16×16 and 8×8


@keras.saving.register_keras_serializable("resbench")
class Centre(layers.Layer):
    """Subtracts the training images' per-pixel mean, which training puts into `mean`, float32 (32, 32, 3)."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weight that holds the mean.

        Args:
            input_shape: (batch, height, width, channels).
        """
        self.mean = self.add_weight(shape=input_shape[1:], initializer="zeros", trainable=False, name="mean")

    def call(self, x: KerasTensor) -> KerasTensor:
        """Subtract the mean.

        Args:
            x: Images (batch, height, width, channels).

        Returns:
            The same shape.
        """
        return x - self.mean


def deep_network(classes: int, depth: int, *, bottleneck: bool = False, preactivation: bool = False) -> keras.Model:
    """Return a residual network: uint8 images in, class probabilities out.

    Args:
        classes: Number of classes.
        depth: Weighted layers: 6n + 2 with plain blocks, 9n + 2 with bottleneck blocks, n blocks in each stage.
        bottleneck: Use blocks of 1×1, 3×3, 1×1 convolutions, the last four times as wide, instead of two 3×3.
        preactivation: Normalise and activate before each convolution instead of after it.

    Returns:
        The untrained network.

    Raises:
        ValueError: No integer number of blocks gives this depth.
    """
    layers_per_block = 3 if bottleneck else 2
    blocks, rest = divmod(depth - 2, 3 * layers_per_block)
    if rest or blocks < 1:
        raise ValueError(f"depth {depth} is not {3 * layers_per_block}n + 2")
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    x = Centre()(x)
    x = _conv(x, INNER_WIDTHS[0], 3)
    if not preactivation:
        x = _activate(x)
    for stage, width in enumerate(INNER_WIDTHS):
        for index in range(blocks):
            stride = 2 if stage > 0 and index == 0 else 1
            # The first unit's activation is applied before its shortcut, too: no other precedes it.
            x = _unit(x, width, stride, bottleneck, preactivation, shared=stage == 0 and index == 0)
    if preactivation:
        x = _activate(x)
    return keras.Model(image, probabilities(layers.GlobalAveragePooling2D()(x), classes))


def _conv(x: KerasTensor, filters: int, size: int, stride: int = 1) -> KerasTensor:
    return layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal")(
        x
    )


def _activate(x: KerasTensor) -> KerasTensor:
    return layers.ReLU()(_normalise(x))


def _normalise(x: KerasTensor) -> KerasTensor:
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def _unit(
    x: KerasTensor, width: int, stride: int, bottleneck: bool, preactivation: bool, *, shared: bool
) -> KerasTensor:
    """One residual unit: shortcut plus two or three convolutions."""
    # (filters, kernel size, stride); the 3×3 convolution of a bottleneck is the one that strides
    plan = [(width, 1, 1), (width, 3, stride), (4 * width, 1, 1)] if bottleneck else [(width, 3, stride), (width, 3, 1)]
    shortcut = x
    for index, (filters, size, step) in enumerate(plan):
        if preactivation:
            x = _activate(x)
            if shared and index == 0:
                shortcut = x
            x = _conv(x, filters, size, step)
        else:
            x = _normalise(_conv(x, filters, size, step))
            if index < len(plan) - 1:
                x = layers.ReLU()(x)
    x = layers.Add()([_shortcut(shortcut, plan[-1][0], stride, project=bottleneck, normalise=not preactivation), x])
    return x if preactivation else layers.ReLU()(x)


def _shortcut(x: KerasTensor, filters: int, stride: int, *, project: bool, normalise: bool) -> KerasTensor:
    """Identity where shapes agree; else zero padding (the paper's option A) or a 1×1 projection (option B)."""
    missing = filters - x.shape[-1]
    if not missing:
        return x
    if project:
        x = _conv(x, filters, 1, stride)
        return _normalise(x) if normalise else x
    x = layers.MaxPooling2D(1, strides=stride)(x)  # every second pixel, as one node in the exported graph
    return ops.pad(x, [(0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2)])

"""Batch normalisation as one operation; Keras has a dozen, each of which reads all activations from memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

# Without renormalisation, and over all but the last axis of images: what the fused operation computes.
FUSED_RANK = 4


@contextmanager
def fused_batch_normalization(model: keras.Model) -> Iterator[None]:
    """Train the model's batch normalisation with TensorFlow's fused kernel; the layers remain Keras's.

    Training steps take two thirds of the time on a CPU (perf/train.py). The formula, the moving averages and what is
    saved are Keras's; sums are added in another order. Layers that the kernel does not support are left unchanged.

    Args:
        model: The network.

    Yields:
        Nothing; the layers are restored when the block ends.
    """
    layers = [layer for layer in model._flatten_layers() if _fits(layer)]
    for layer in layers:
        layer.call = _fused_call(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def _fits(layer: Any) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.trainable
        and layer.scale
        and layer.center
        and not layer.renorm
        and not layer.synchronized
        and layer.axis in (-1, FUSED_RANK - 1)
    )


def _fused_call(layer: keras.layers.BatchNormalization) -> Any:
    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not training or mask is not None or len(inputs.shape) != FUSED_RANK:
            return type(layer).call(layer, inputs, training=training, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.cast(layer.gamma, tf.float32),
            offset=tf.cast(layer.beta, tf.float32),
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=layer.epsilon,
            is_training=True,
        )
        # The kernel returns the unbiased variance; Keras averages the biased one.
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), tf.float32)
        for moving, new in ((layer.moving_mean, mean), (layer.moving_variance, variance * (count - 1) / count)):
            moving.assign(moving * layer.momentum + new * (1 - layer.momentum))
        return outputs

    return call

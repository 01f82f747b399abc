"""The fused batch normalisation against Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from resbench.training.normalization import fused_batch_normalization


def network():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False, kernel_initializer=keras.initializers.HeNormal(seed=0))(image)
    x = keras.layers.BatchNormalization(momentum=0.7, epsilon=1e-3)(x)
    inner = keras.Sequential([keras.layers.BatchNormalization(), keras.layers.ReLU()])
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(inner(x)))


def one_step(model, images):
    with tf.GradientTape() as tape:
        outputs = model(images, training=True)
        loss = tf.reduce_sum(outputs**2)
    gradients = tape.gradient(loss, model.trainable_variables)
    return [outputs.numpy(), *(gradient.numpy() for gradient in gradients), *model.get_weights()]


def test_outputs_gradients_and_moving_averages_are_those_of_keras():
    images = np.random.default_rng(0).normal(size=(6, 8, 8, 3)).astype(np.float32)
    keras_model, ours = network(), network()
    expected = one_step(keras_model, images)
    with fused_batch_normalization(ours):
        got = one_step(ours, images)
    for left, right in zip(got, expected, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


def test_the_layers_are_keras_s_again_afterwards():
    model = network()
    with fused_batch_normalization(model):
        assert "call" in vars(model.layers[2])
    assert "call" not in vars(model.layers[2])


@pytest.mark.parametrize("layer", [{"axis": 1}, {"scale": False}, {"trainable": False}])
def test_what_the_kernel_does_not_cover_is_left_to_keras(layer):
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.BatchNormalization(**layer)(image))
    with fused_batch_normalization(model):
        assert "call" not in vars(model.layers[1])

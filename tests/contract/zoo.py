"""One small network for each kind of layer that people build networks of: each function is a variant's `build`."""

from collections.abc import Callable
from functools import partial

import keras
from keras import KerasTensor, layers, ops
from resbench import IMAGE_SHAPE
from resbench.networks.layers import probabilities

Body = Callable[[KerasTensor], KerasTensor]


def network(body: Body, classes: int, filters: int = 16) -> keras.Model:
    """A stem that quarters the sides, the body to look at, and a head."""
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = layers.Conv2D(filters, 4, strides=4, activation="relu")(x)
    x = body(x)
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, probabilities(x, classes))


def gelu_exact(x: KerasTensor) -> KerasTensor:
    return layers.Conv2D(16, 3, activation="gelu")(x)


def gelu_approximate(x: KerasTensor) -> KerasTensor:
    return ops.gelu(layers.Conv2D(16, 3)(x), approximate=True)


def activations(x: KerasTensor) -> KerasTensor:
    x = layers.Conv2D(16, 1, activation="silu")(x)
    x = layers.Conv2D(16, 1, activation="hard_silu")(x)
    x = layers.LeakyReLU()(layers.Conv2D(16, 1)(x))
    x = layers.PReLU(shared_axes=(1, 2))(layers.Conv2D(16, 1)(x))
    x = layers.ReLU(max_value=6)(layers.Conv2D(16, 1)(x))
    x = layers.Conv2D(16, 1, activation="elu")(x)
    x = layers.Conv2D(16, 1, activation="tanh")(x)
    return layers.Conv2D(16, 1, activation="softplus")(x)


def prelu_by_pixel(x: KerasTensor) -> KerasTensor:
    return layers.PReLU(alpha_initializer="random_uniform")(layers.Conv2D(8, 3)(x))


def normalizations(x: KerasTensor) -> KerasTensor:
    x = layers.LayerNormalization(epsilon=1e-6)(layers.Conv2D(16, 3)(x))
    x = layers.GroupNormalization(4)(layers.Conv2D(16, 3)(x))
    x = layers.BatchNormalization()(layers.ReLU()(x))
    return layers.UnitNormalization()(x)


def grouped_convolution(x: KerasTensor) -> KerasTensor:
    return layers.Conv2D(32, 3, groups=4, padding="same", activation="relu")(x)


def depthwise_separable_dilated(x: KerasTensor) -> KerasTensor:
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="relu")(x)
    x = layers.SeparableConv2D(24, 3, strides=2, padding="same", activation="relu")(x)
    return layers.Conv2D(16, 3, dilation_rate=2, padding="same", activation="relu")(x)


def poolings(x: KerasTensor) -> KerasTensor:
    x = layers.AveragePooling2D(3, strides=1, padding="same")(layers.Conv2D(16, 3, padding="same")(x))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    return layers.concatenate([layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)])


def concatenate(x: KerasTensor) -> KerasTensor:
    return layers.Concatenate()([x, layers.Conv2D(8, 3, padding="same", activation="relu")(x)])


def squeeze_excite(x: KerasTensor) -> KerasTensor:
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(4, 1, activation="relu")(gate)
    gate = layers.Conv2D(16, 1, activation="sigmoid")(gate)
    return layers.Conv2D(16, 3, activation="relu")(layers.Multiply()([x, gate]))


def dense_on_feature_map(x: KerasTensor) -> KerasTensor:
    return layers.Dense(16, activation="relu")(layers.Dense(32, activation="relu")(x))


def convnext_block(x: KerasTensor) -> KerasTensor:
    y = layers.DepthwiseConv2D(7, padding="same")(x)
    y = layers.LayerNormalization(epsilon=1e-6)(y)
    y = layers.Dense(64, activation="gelu")(y)
    return layers.Add()([x, layers.Dense(16)(y)])


def attention(x: KerasTensor) -> KerasTensor:
    x = layers.Reshape((64, 16))(x)
    y = layers.LayerNormalization()(x)
    y = layers.MultiHeadAttention(2, 8, dropout=0.1)(y, y)
    x = layers.Add()([x, y])
    y = layers.Dense(32, activation="gelu")(layers.LayerNormalization()(x))
    x = layers.Add()([x, layers.Dense(16)(y)])
    return layers.GlobalAveragePooling1D()(x)


def resizing(x: KerasTensor) -> KerasTensor:
    x = layers.UpSampling2D(2)(layers.Conv2D(8, 3, padding="same")(x))
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    return layers.Conv2D(8, 3, activation="relu")(layers.Resizing(24, 24)(x))


def transposed_convolution(x: KerasTensor) -> KerasTensor:
    return layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(x)


def padding_and_cropping(x: KerasTensor) -> KerasTensor:
    x = layers.ZeroPadding2D(((1, 2), (0, 1)))(x)
    return layers.Conv2D(8, 3, activation="relu")(layers.Cropping2D(1)(x))


def randomness(x: KerasTensor) -> KerasTensor:
    """Identity when exported."""
    x = layers.RandomFlip()(x)
    x = layers.RandomTranslation(0.1, 0.1)(x)
    x = layers.RandomRotation(0.1)(x)
    x = layers.GaussianNoise(0.1)(x)
    x = layers.SpatialDropout2D(0.2)(layers.Conv2D(16, 3, activation="relu")(x))
    return layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))


def several_softmaxes(x: KerasTensor) -> KerasTensor:
    weights = layers.Softmax(axis=-1)(layers.Conv2D(16, 1)(x))
    return layers.Conv2D(16, 3, activation="relu")(layers.Multiply()([x, weights]))


def shared_layer(x: KerasTensor) -> KerasTensor:
    convolution = layers.Conv2D(16, 3, padding="same", activation="relu")
    return convolution(convolution(convolution(x)))


def nested_models(x: KerasTensor) -> KerasTensor:
    inner = keras.Sequential([keras.Input((8, 8, 16)), layers.Conv2D(16, 3, padding="same"), layers.ReLU()])
    outer = keras.Input((8, 8, 16))
    model = keras.Model(outer, layers.Add()([outer, inner(outer)]))
    return model(model(x))


def padded_shortcut(x: KerasTensor) -> KerasTensor:
    """He et al. (2015), option A, with all missing channels behind."""
    y = layers.Conv2D(24, 3, strides=2, padding="same")(x)
    shortcut = ops.pad(layers.MaxPooling2D(1, strides=2)(x), [(0, 0), (0, 0), (0, 0), (0, 8)])
    return layers.ReLU()(layers.Add()([shortcut, y]))


class Scale(layers.Layer):
    """A layer of the variant's own, not registered with Keras."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.factors = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factors")

    def call(self, x: KerasTensor) -> KerasTensor:
        return x * self.factors


def own_layer(x: KerasTensor) -> KerasTensor:
    return Scale()(layers.Conv2D(16, 3, activation="relu")(x))


def without_convolution(classes: int) -> keras.Model:
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name="image")
    x = layers.Flatten()(layers.Rescaling(1 / 255)(image))
    x = layers.Dense(64, activation="relu")(x)
    return keras.Model(image, probabilities(layers.Dense(32, activation="relu")(x), classes))


def sequential(classes: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE, dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(classes),
            layers.Softmax(),
        ]
    )


def application(name: str, classes: int) -> keras.Model:
    """A network of keras.applications on 32×32 images, nested in one that scales their pixels."""
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    model = getattr(keras.applications, name)(weights=None, input_shape=IMAGE_SHAPE, classes=classes)
    return keras.Model(image, model(x))


BODIES: tuple[Body, ...] = (
    gelu_exact,
    gelu_approximate,
    activations,
    prelu_by_pixel,
    normalizations,
    grouped_convolution,
    depthwise_separable_dilated,
    poolings,
    concatenate,
    squeeze_excite,
    dense_on_feature_map,
    convnext_block,
    attention,
    resizing,
    transposed_convolution,
    padding_and_cropping,
    randomness,
    several_softmaxes,
    shared_layer,
    nested_models,
    padded_shortcut,
    own_layer,
)
NETWORKS: dict[str, Callable[[int], keras.Model]] = {body.__name__: partial(network, body) for body in BODIES}
NETWORKS |= {build.__name__: build for build in (without_convolution, sequential)}
APPLICATIONS = ("MobileNetV2", "MobileNetV3Small", "EfficientNetB0")
NETWORKS |= {name: partial(application, name) for name in APPLICATIONS}

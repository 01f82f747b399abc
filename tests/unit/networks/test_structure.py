"""Each network is the one of its publication, connection by connection; counts are held in tests/contract."""

import pytest
from keras import layers
from resbench.networks.deep import deep_network
from resbench.networks.registry import variant

NAMES = {
    "InputLayer": "image",
    "Rescaling": "scaled",
    "Centre": "centred",
    "BatchNormalization": "bn",
    "GlobalAveragePooling2D": "mean",
}


def parts(model):
    """A network as expressions: up to its first convolution, up to each addition, and to its end.

    In each, x is the result of the one before; `conv3/2→32` is a 3×3 convolution of stride 2 with 32 filters.
    """
    first = next(layer for layer in model.layers if isinstance(layer, layers.Conv2D))
    additions = [layer for layer in model.layers if isinstance(layer, layers.Add)]
    ends = [first.output, *(layer.output for layer in additions), model.output]
    return [expression(end, start) for start, end in zip([None, *ends], ends, strict=False)]


def expression(tensor, start):
    if tensor is start:
        return "x"
    layer, node, _ = tensor._keras_history
    name = NAMES.get(type(layer).__name__, type(layer).__name__.lower())
    if isinstance(layer, layers.Conv2D):
        name = f"conv{layer.kernel_size[0]}{'/2' if layer.strides == (2, 2) else ''}→{layer.filters}"
    elif isinstance(layer, layers.MaxPooling2D):
        name = f"max{layer.pool_size[0]}/{layer.strides[0]}"
    elif isinstance(layer, layers.Dense):
        name = f"dense{layer.units}"
    inputs = ", ".join(expression(source, start) for source in layer._inbound_nodes[node].input_tensors)
    text = f"{name}({inputs})" if inputs else name
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return text if activation == "linear" or name == "relu" else f"{activation}({text})"


def test_plain_blocks():
    """He et al. (2015), Figure 2 and §4.2, with the shortcuts of option A."""
    stem, *units, head = parts(deep_network(10, 14))
    assert stem == "conv3→16(centred(scaled(image)))"
    assert units == [
        "add(relu(bn(x)), bn(conv3→16(relu(bn(conv3→16(relu(bn(x))))))))",
        "add(relu(x), bn(conv3→16(relu(bn(conv3→16(relu(x)))))))",
        "add(pad(max1/2(relu(x))), bn(conv3→32(relu(bn(conv3/2→32(relu(x)))))))",
        "add(relu(x), bn(conv3→32(relu(bn(conv3→32(relu(x)))))))",
        "add(pad(max1/2(relu(x))), bn(conv3→64(relu(bn(conv3/2→64(relu(x)))))))",
        "add(relu(x), bn(conv3→64(relu(bn(conv3→64(relu(x)))))))",
    ]
    assert head == "softmax(dense10(mean(relu(x))))"


def test_bottleneck_blocks():
    """He et al. (2015), Figure 5, with the shortcuts of option B."""
    _, *units, head = parts(deep_network(10, 20, bottleneck=True))
    assert units[:3] == [
        "add(bn(conv1→64(relu(bn(x)))), bn(conv1→64(relu(bn(conv3→16(relu(bn(conv1→16(relu(bn(x)))))))))))",
        "add(relu(x), bn(conv1→64(relu(bn(conv3→16(relu(bn(conv1→16(relu(x))))))))))",
        "add(bn(conv1/2→128(relu(x))), bn(conv1→128(relu(bn(conv3/2→32(relu(bn(conv1→32(relu(x))))))))))",
    ]
    assert head == "softmax(dense10(mean(relu(x))))"


def test_preactivation_blocks():
    """He et al. (2016), Figure 4e; the first activation is before both paths, and one follows the last addition."""
    _, *units, head = parts(deep_network(10, 20, bottleneck=True, preactivation=True))
    assert units[:3] == [
        "add(conv1→64(relu(bn(x))), conv1→64(relu(bn(conv3→16(relu(bn(conv1→16(relu(bn(x))))))))))",
        "add(x, conv1→64(relu(bn(conv3→16(relu(bn(conv1→16(relu(bn(x))))))))))",
        "add(conv1/2→128(x), conv1→128(relu(bn(conv3/2→32(relu(bn(conv1→32(relu(bn(x))))))))))",
    ]
    assert head == "softmax(dense10(mean(relu(bn(x)))))"


def test_resnet8_is_mlperf_tinys():
    stem, *units, head = parts(variant("resnet8").build(10))
    assert stem == "conv3→16(scaled(image))"
    assert units == [
        "add(relu(bn(x)), bn(conv3→16(relu(bn(conv3→16(relu(bn(x))))))))",
        "add(conv1/2→32(relu(x)), bn(conv3→32(relu(bn(conv3/2→32(relu(x)))))))",
        "add(conv1/2→64(relu(x)), bn(conv3→64(relu(bn(conv3/2→64(relu(x)))))))",
    ]
    assert head == "softmax(dense10(mean(relu(x))))"


@pytest.mark.parametrize(("name", "last"), [("basic", "x"), ("pool", "max2/2(x)"), ("bottleneck", "max2/2(x)")])
def test_the_notebooks_networks(name, last):
    def block(x, width):
        sizes = (1, 3, 1) if name == "bottleneck" else (3, 3)
        for size in sizes:
            x = f"relu(conv{size}→{width}({x}))"
        return x

    stem, *units, head = parts(variant(name).build(10))
    wide = block("x", 128)
    assert stem == "relu(conv3→64(scaled(image)))"
    assert units == [
        *[f"add(x, {block('x', 64)})"] * 3,
        f"add({wide}, {block(wide, 128)})",
        f"add({last}, {block(last, 128)})",
    ]
    assert head == "softmax(dense10(relu(dense64(relu(dense128(flatten(max2/2(x))))))))"


def test_deep_networks_start_as_the_papers_do():
    """Initialised as He et al., "Delving Deep into Rectifiers" (2015); normalisation as in the authors' code."""
    model = deep_network(10, 20, bottleneck=True)
    convolutions = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    assert {(type(layer.kernel_initializer).__name__, layer.use_bias) for layer in convolutions} == {
        ("HeNormal", False)
    }
    normalizations = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    assert {(layer.momentum, layer.epsilon) for layer in normalizations} == {(0.9, 1e-5)}

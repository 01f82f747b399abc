"""The network that a job trains, before its first step and after its last."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers
from resbench.data.store import Split
from resbench.networks.deep import Centre
from resbench.networks.layers import probabilities
from resbench.training import loop
from resbench.training.network import build_network, in_float32
from resbench.training.plan import Job, make_plan
from resbench.training.protocols import PROTOCOLS


def build(classes):
    image = keras.Input((32, 32, 3), dtype="uint8")
    x = layers.Flatten()(Centre()(layers.Rescaling(1 / 255)(image)))
    return keras.Model(image, probabilities(layers.Dense(8)(x), classes))


MODULE = SimpleNamespace(build=build, __file__=__file__)
IMAGES = np.random.default_rng(0).integers(0, 256, (70, 32, 32, 3), dtype=np.uint8)
DATA = Split(IMAGES, np.arange(70, dtype=np.uint8) % 3, np.array(["a", "b", "c"]))


@pytest.fixture(autouse=True)
def float32_afterwards():
    yield
    keras.mixed_precision.set_global_policy("float32")


def planned(recipe=PROTOCOLS["he2015"], **settings):
    return make_plan(Job(**{"variant": "tiny", "protocol": recipe.name, "seed": 0} | settings), recipe, DATA)


def test_weights_depend_on_the_seed_alone():
    first, again, other = (build_network(planned(seed=seed), MODULE, DATA).model.get_weights() for seed in (1, 1, 2))
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    assert not np.allclose(first[1], other[1])


def test_images_are_centred_by_the_mean_of_those_trained_on():
    model = build_network(planned(), MODULE, DATA).model
    np.testing.assert_allclose(model.layers[2].mean.numpy(), IMAGES.mean(axis=0) / 255, rtol=1e-6)


@pytest.mark.parametrize("warm_up", [False, True])
def test_the_schedule_spans_all_steps_and_knows_whether_to_warm_up(warm_up):
    asked = []
    recipe = replace(PROTOCOLS["he2015"], optimizer=lambda *given: asked.append(given) or keras.optimizers.SGD())
    module = SimpleNamespace(**vars(MODULE), WARM_UP=True) if warm_up else MODULE
    build_network(planned(recipe, epochs=4, batch_size=32), module, DATA)
    assert asked == [(4 * 3, warm_up)]  # 32, 32 and 6 images


@pytest.mark.parametrize(
    ("precision", "dtype", "scaled"),
    [("none", "float32", False), ("float16", "float16", True), ("bfloat16", "bfloat16", False)],
)
def test_a_step_in_each_precision_is_float32s_and_its_weights_are_kept(precision, dtype, scaled):
    """A gradient that is scaled and not divided again, or the reverse, is wrong by a factor of thousands."""
    trained = {}
    for name in ("none", precision):
        plan = planned(mixed_precision=name)
        network = build_network(plan, MODULE, DATA)
        start = network.model.get_weights()[1]
        run_steps = loop.training_steps(*network, plan.protocol, DATA, xla=False)
        run_steps(np.arange(32, dtype=np.int32)[None], np.full((1, 32, 3), 4, np.int32))
        trained[name] = network.model.get_weights()
    assert network.model.layers[4].compute_dtype == dtype
    assert isinstance(network.optimizer, keras.optimizers.LossScaleOptimizer) == scaled
    saved = in_float32(network.model, build, plan)
    assert {layer.compute_dtype for layer in saved.layers} <= {"float32", "uint8"}
    for kept, mine, reference in zip(saved.get_weights(), trained[precision], trained["none"], strict=True):
        np.testing.assert_array_equal(kept, mine)
        np.testing.assert_allclose(mine, reference, atol=2e-4)
    assert np.abs(trained["none"][1] - start).max() > 2e-3

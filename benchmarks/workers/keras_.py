"""Keras, on the backend that the driver sets: ``fit`` on numpy arrays. An L2 penalty is left out, in its favour.

Flags: "compile" (torch.compile; JAX compiles always).
"""

import math
from typing import Any

import numpy as np
from common import Course, NotRun, answer, read_numbers


def layers_of(network: str | dict[str, Any]) -> list[Any]:
    """Return the layers of a network in front of the last one."""
    from keras import layers

    def dense(*widths: int, dropout: float = 0.0) -> list[Any]:
        each = [(layers.Dense(width, activation="relu"), layers.Dropout(dropout)) for width in widths]
        return [layer for pair in each for layer in (pair if dropout else pair[:1])]

    def convolution(n_maps: int, **options: Any) -> Any:
        return layers.Conv2D(n_maps, 3, activation="relu", **options)

    image = layers.Reshape((28, 28, 1))
    named = {
        "mlp": lambda: [layers.Flatten(), *dense(128)],
        "cnn": lambda: [
            image,
            *(convolution(n, strides=2, padding="same") for n in (32, 64, 128)),
            *(layers.Flatten(), *dense(512)),
        ],
        "lstm": lambda: [layers.LSTM(128)],
        # keras-team/keras, examples/mnist_mlp.py
        "mnist_mlp": lambda: [layers.Flatten(), *dense(512, 512, dropout=0.2)],
        # keras.io/examples/vision/mnist_convnet: 34,826 weights
        "simple_convnet": lambda: [
            image,
            *(convolution(32), layers.MaxPooling2D(2), convolution(64), layers.MaxPooling2D(2)),
            *(layers.Flatten(), layers.Dropout(0.5)),
        ],
        # keras.io/guides/working_with_rnns
        "rnn_guide": lambda: [layers.LSTM(64), layers.BatchNormalization()],
    }
    if isinstance(network, str):
        return named[network]()
    return {"DeepFeedForward": like_dense, "DeepConvolutionalNetwork": like_convolutional, "LSTM": like_lstm}[
        network["class"]
    ](network)


def like_dense(own: dict[str, Any]) -> list[Any]:
    """Return nnzoo's DeepFeedForward."""
    from keras import layers

    pairs = [(layers.Dense(n, activation="relu"), layers.Dropout(own["dropout"])) for n in own["hidden_layer_sizes"]]
    return [layers.Flatten(), *(layer for pair in pairs for layer in pair)]


def like_convolutional(own: dict[str, Any]) -> list[Any]:
    """Return nnzoo's DeepConvolutionalNetwork; images are moved by whole pixels, too."""
    from keras import layers

    if own["hidden_layer_sizes"] or own["pool"] != "max" or own["padding"] != "same" or own["activation"] != "relu":
        raise NotRun("nnzoo's settings are not written for this peer")
    made: list[Any] = [layers.Reshape((28, 28, 1))]
    if own["augment"] is not None:
        made.append(layers.RandomTranslation(2 / 28, 2 / 28, fill_mode="nearest", interpolation="nearest"))
        made += [layers.RandomFlip("horizontal")] if own["augment"] == "shift_flip" else []
    size = 28
    for n_maps in own["n_filters"]:
        made.append(layers.Conv2D(n_maps, own["kernel_size"], own["stride"], padding="same"))
        size = -(-size // own["stride"])
        if own["pool_size"] > 1 and size >= own["pool_size"]:
            made.append(layers.MaxPooling2D(own["pool_size"]))
            size //= own["pool_size"]
        made += [layers.BatchNormalization(momentum=0.9)] if own["normalization"] == "batch" else []
        made.append(layers.ReLU())
    return [*made, layers.GlobalAveragePooling2D(), layers.Dropout(own["dropout"])]


def like_lstm(own: dict[str, Any]) -> list[Any]:
    """Return nnzoo's LSTM."""
    from keras import layers

    n = own["n_layers"]
    made = [layers.LSTM(own["n_hidden"], return_sequences=k < n - 1) for k in range(n)]
    return [*made, layers.Dropout(own["dropout"])]


def make_rate(recipe: dict[str, Any], n_rows: int) -> Any:
    """Return the learning rate: a number, or the one-cycle schedule with torch's figures."""
    import keras

    if recipe["schedule"] == "constant":
        return recipe["learning_rate"]
    n_steps, top = math.ceil(n_rows / recipe["batch_size"]) * recipe["n_epochs"], recipe["learning_rate"]

    class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            done = keras.ops.cast(step, "float32") / n_steps
            up, down = done / 0.3, (done - 0.3) / 0.7
            rise = 1 + (1 / 25 - 1) * (1 + keras.ops.cos(math.pi * up)) / 2
            fall = 4e-6 + (1 - 4e-6) * (1 + keras.ops.cos(math.pi * keras.ops.clip(down, 0, 1))) / 2
            return top * keras.ops.where(done < 0.3, rise, fall)

        def get_config(self) -> dict[str, Any]:
            return {}

    return OneCycle()


def train(spec: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """Train a network of the spec."""
    X, y, X_test, y_test = read_numbers(spec, places)
    import keras

    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(spec["threads"])
    keras.utils.set_random_seed(spec["seed"])
    keras.config.set_dtype_policy("mixed_bfloat16" if spec["precision"] == "bf16" else "float32")
    recipe, course = spec["recipe"], Course(spec)
    last = keras.layers.Dense(10, dtype="float32")
    model = keras.Sequential([keras.Input(X.shape[1:]), *layers_of(recipe["network"]), last])
    kinds = {
        "adam": keras.optimizers.Adam,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    }
    model.compile(
        optimizer=kinds[recipe["optimizer"]](make_rate(recipe, len(X)), global_clipnorm=recipe.get("clip_norm")),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=True if "compile" in spec["flags"] else "auto",
    )

    def accuracy() -> float:
        return float(np.mean(model.predict(X_test, batch_size=1000, verbose=0).argmax(1) == y_test))

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            course.begin()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            # JAX keeps the weights outside the model until they are asked for.
            self.model.stop_training = not course.end(logs["loss"], accuracy)

    model.fit(X, y, batch_size=recipe["batch_size"], epochs=recipe["n_epochs"], verbose=0, callbacks=[Clock()])
    return course.result()


if __name__ == "__main__":
    answer(train)

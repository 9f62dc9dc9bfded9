"""skorch: NeuralNetClassifier on numpy arrays, its own DataLoader, no validation part."""

from typing import Any

from common import Course, answer, read_numbers


def train(spec: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """Train a network of the spec."""
    X, y, X_test, y_test = read_numbers(spec, places)
    import torch
    from skorch import NeuralNetClassifier
    from skorch.callbacks import Callback, GradientNormClipping, LRScheduler
    from torch import nn
    from torch_networks import make
    from torch_training import accuracy, make_optimizer, one_cycle, precision

    class Net(NeuralNetClassifier):
        def infer(self, x: Any, **params: Any) -> Any:
            with precision(spec):
                return super().infer(x, **params).float()

    class Clock(Callback):
        def on_epoch_begin(self, net: Any, **others: Any) -> None:
            course.begin()

        def on_epoch_end(self, net: Any, **others: Any) -> None:
            loss = net.history[-1, "train_loss"]
            if not course.end(loss, lambda: accuracy(net.module_, X_test, y_test)):
                raise KeyboardInterrupt

    torch.set_num_threads(spec["threads"])
    torch.manual_seed(spec["seed"])
    recipe, course = spec["recipe"], Course(spec)
    callbacks: list[Any] = [("clock", Clock())]
    if recipe["schedule"] == "one_cycle":
        arguments = one_cycle(recipe, len(X))
        callbacks.append(
            ("rate", LRScheduler(torch.optim.lr_scheduler.OneCycleLR, step_every="batch", monitor=None, **arguments))
        )
    if recipe.get("clip_norm") is not None:
        callbacks.append(("clip", GradientNormClipping(recipe["clip_norm"])))
    net = Net(
        make(recipe["network"]),
        criterion=nn.CrossEntropyLoss,
        optimizer=lambda groups, lr: make_optimizer(groups, recipe),
        lr=recipe["learning_rate"],
        batch_size=recipe["batch_size"],
        max_epochs=recipe["n_epochs"],
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=callbacks,
        verbose=0,
    )
    net.fit(X, y)
    return course.result()


if __name__ == "__main__":
    answer(train)

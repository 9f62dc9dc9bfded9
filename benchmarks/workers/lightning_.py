"""Lightning: a LightningModule and a Trainer without logger, checkpoints or progress bar."""

import logging
import warnings
from typing import Any

from common import Course, answer, read_numbers


def train(spec: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """Train a network of the spec."""
    X, y, X_test, y_test = read_numbers(spec, places)
    import lightning
    import torch
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader, TensorDataset
    from torch_networks import make
    from torch_training import accuracy, make_optimizer, make_schedule

    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(spec["threads"])
    torch.manual_seed(spec["seed"])
    recipe, course = spec["recipe"], Course(spec)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = make(recipe["network"])
            self.total = torch.zeros(())

        def training_step(self, batch: Any, number: int) -> Any:
            inputs, targets = batch
            loss = cross_entropy(self.network(inputs), targets)
            self.total = self.total + loss.detach() * len(inputs)
            return loss

        def configure_optimizers(self) -> Any:
            optimizer = make_optimizer(self.network.parameters(), recipe)
            if recipe["schedule"] == "constant" and "gamma" not in recipe:
                return optimizer
            schedule = make_schedule(optimizer, recipe, len(X))
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

        def on_train_epoch_start(self) -> None:
            self.total = torch.zeros(())
            course.begin()

        def on_train_epoch_end(self) -> None:
            loss = float(self.total) / len(X)
            if not course.end(loss, lambda: accuracy(self.network, X_test, y_test)):
                self.trainer.should_stop = True

    trainer = lightning.Trainer(
        max_epochs=recipe["n_epochs"],
        accelerator="cpu",
        precision="bf16-mixed" if spec["precision"] == "bf16" else "32-true",
        gradient_clip_val=recipe.get("clip_norm"),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    dataset = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    trainer.fit(Module(), DataLoader(dataset, batch_size=recipe["batch_size"], shuffle=True))
    return course.result()


if __name__ == "__main__":
    answer(train)

"""A loop as people write it: TensorDataset, DataLoader, Adam, a running loss."""

from typing import Any

from common import Course, answer, read_numbers


def train(spec: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """Train a network of the spec."""
    X, y, X_test, y_test = read_numbers(spec, places)
    import torch
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader, TensorDataset
    from torch_networks import draw_first_weights, make
    from torch_training import accuracy, clip, make_optimizer, make_schedule, precision

    torch.set_num_threads(spec["threads"])
    torch.manual_seed(spec["seed"])
    recipe, course = spec["recipe"], Course(spec)
    model = make(recipe["network"])
    if spec.get("first_weights") == "nnzoo's":
        draw_first_weights(model)
    dataset = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    loader = DataLoader(dataset, batch_size=recipe["batch_size"], shuffle=True)
    optimizer = make_optimizer(model.parameters(), recipe)
    schedule = make_schedule(optimizer, recipe, len(X))
    goes_on = True
    while goes_on:
        course.begin()
        total = 0.0
        for inputs, targets in loader:
            optimizer.zero_grad()
            with precision(spec):
                loss = cross_entropy(model(inputs), targets)
            loss.backward()
            clip(model.parameters(), recipe)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(inputs)
        goes_on = course.end(total / len(X), lambda: accuracy(model, X_test, y_test))
    return course.result()


if __name__ == "__main__":
    answer(train)

"""A loop written for speed: the data one tensor, batches by index, fused Adam, no synchronisation per step.

Flags: "channels_last", "compile".
"""

from typing import Any

from common import Course, answer, read_numbers


def train(spec: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """Train a network of the spec."""
    numbers = read_numbers(spec, places)
    import torch
    from torch.nn.functional import cross_entropy
    from torch_networks import make
    from torch_training import accuracy, clip, make_optimizer, make_schedule, precision

    torch.set_num_threads(spec["threads"])
    torch.manual_seed(spec["seed"])
    X, y, X_test, y_test = map(torch.from_numpy, numbers)
    recipe, course = spec["recipe"], Course(spec)
    network = make(recipe["network"])
    if "channels_last" in spec["flags"]:
        network = network.to(memory_format=torch.channels_last)
    model: Any = torch.compile(network) if "compile" in spec["flags"] else network
    optimizer = make_optimizer(network.parameters(), recipe, fused=True)
    schedule = make_schedule(optimizer, recipe, len(X))
    goes_on = True
    while goes_on:
        course.begin()
        total = torch.zeros(())
        for batch in torch.randperm(len(X)).split(recipe["batch_size"]):
            with precision(spec):
                loss = cross_entropy(model(X[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            clip(network.parameters(), recipe)
            optimizer.step()
            schedule.step()
            total += loss.detach() * len(batch)
        goes_on = course.end(float(total) / len(X), lambda: accuracy(network, X_test, y_test))
    return course.result()


if __name__ == "__main__":
    answer(train)

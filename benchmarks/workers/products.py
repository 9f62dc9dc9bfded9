"""The matrix products of one training step, alone: forward and backward at the shapes of the three networks.

Each product is tried by torch's routes (mm; oneDNN's linear; convolutions in both memory formats; the gradient of
filters from unfolded windows), the fastest one is taken, and then the whole step runs in a loop.
"""

import time
from collections.abc import Callable
from typing import Any

from common import answer

TRIES, LEAST_SECONDS = 5, 0.02
WHOLE_SECONDS = 2.0
Product = Callable[[], Any]


def linear(
    m: int, k: int, n: int, dtype: Any, *, times: int = 1, inputs: bool = True
) -> list[tuple[int, dict[str, Product]]]:
    """Return the products of x (m, k) times W (n, k): scores, the weight's gradient and, unless it is first, x's."""
    import torch

    x, w, d = (torch.randn(shape).to(dtype) for shape in ((m, k), (n, k), (m, n)))
    onednn = torch.ops.mkldnn._linear_pointwise
    tail = (None, "none", [], "")
    xt, wt, dt = x.t().contiguous(), w.t().contiguous(), d.t().contiguous()
    forward = {"mm": lambda: torch.mm(x, w.t()), "oneDNN": lambda: onednn(x, w, *tail)}
    weight = {"mm": lambda: torch.mm(d.t(), x), "oneDNN": lambda: onednn(dt, xt, *tail)}
    back = {"mm": lambda: torch.mm(d, w), "oneDNN": lambda: onednn(d, wt, *tail)}
    return [(times, forward), (1, weight)] + ([(times, back)] if inputs else [])


def convolution(
    n: int, size: int, n_in: int, n_out: int, dtype: Any, *, inputs: bool = True
) -> list[tuple[int, dict[str, Product]]]:
    """Return the products of a convolution 3 x 3 with stride 2, in both memory formats and from unfolded windows."""
    import torch

    from nnzoo.engine.routes import filter_gradient

    def routes(layout: Any) -> tuple[Product, ...]:
        out = size // 2 + size % 2
        shapes = ((n, n_in, size, size), (n_out, n_in, 3, 3), (n, n_out, out, out))
        x, w, d = (torch.randn(shape).to(dtype).to(memory_format=layout) for shape in shapes)
        sizes = ([2, 2], [1, 1], [1, 1])
        backward = torch.ops.aten.convolution_backward

        def unfolded() -> Any:
            filters = filter_gradient(d, x, (3, 3), *sizes[:2])
            return filters, inputs and backward(d, x, w, None, *sizes, False, [0, 0], 1, [True, False, False])

        return (
            lambda: torch.nn.functional.conv2d(x, w, None, 2, 1),
            lambda: backward(d, x, w, None, *sizes, False, [0, 0], 1, [inputs, True, False]),
            unfolded,
        )

    (forward, back, _), last = routes(torch.contiguous_format), routes(torch.channels_last)
    both = {"contiguous": back, "channels last": last[1], "unfolded": last[2]}
    return [(1, {"contiguous": forward, "channels last": last[0]}), (1, both)]


def of_network(network: str, n: int, dtype: Any) -> list[tuple[int, dict[str, Product]]]:
    """Return the products of a step: how often each runs, and its routes."""
    if network == "mlp":
        return [*linear(n, 784, 128, dtype, inputs=False), *linear(n, 128, 10, dtype)]
    if network == "cnn":
        maps = ((28, 1, 32), (14, 32, 64), (7, 64, 128))
        each = [step for size, a, b in maps for step in convolution(n, size, a, b, dtype, inputs=a > 1)]
        return [*each, *linear(n, 2048, 512, dtype), *linear(n, 512, 10, dtype)]
    recurrent = linear(n, 128, 512, dtype, times=28)
    all_steps = linear(28 * n, 128, 512, dtype)
    # W x of all steps in one product; U h and its gradient step by step; both weight gradients in one product.
    return [
        *linear(28 * n, 28, 512, dtype, inputs=False),
        recurrent[0],
        all_steps[1],
        recurrent[2],
        *linear(n, 128, 10, dtype),
    ]


def seconds_of(product: Product) -> float:
    """Return the least mean seconds of a product over some tries."""
    product()
    best = float("inf")
    for _ in range(TRIES):
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < LEAST_SECONDS:
            product()
            count += 1
        best = min(best, (time.perf_counter() - start) / count)
    return best


def alone(spec: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """Return the milliseconds that the products of one step take."""
    import torch

    torch.set_num_threads(spec["threads"])
    dtype = torch.bfloat16 if spec["precision"] == "bf16" else torch.float32
    with torch.inference_mode():
        step, routes = [], []
        for times, ways in of_network(spec["network"], spec["batch"], dtype):
            speeds = {}
            for name, product in ways.items():
                try:
                    speeds[name] = seconds_of(product)
                except (RuntimeError, NotImplementedError, AttributeError):
                    continue
            best = min(speeds, key=speeds.__getitem__)
            routes.append(best)
            step += [ways[best]] * times
        counts, start = 0, time.perf_counter()
        while time.perf_counter() - start < WHOLE_SECONDS:
            for product in step:
                product()
            counts += 1
        took = (time.perf_counter() - start) / counts
    said = ", ".join(f"{routes.count(name)} {name}" for name in dict.fromkeys(routes))
    return {"milliseconds": 1e3 * took, "routes": said}


if __name__ == "__main__":
    answer(alone)

"""The cell of the gated recurrent unit, written out: what GRU and the reader of the attention network share."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from nnzoo.networks.gates import Moment, combined, gate, matrices, plain, products
from nnzoo.networks.memory import State, draw_recurrent
from nnzoo.trace import Step, factor


class GRUCell(nn.Module):
    """The equations of one step, written out, in torch's order of the gates: r, z, n.

    Parameters
    ----------
    n_in, n_hidden : int
    reset_after : bool
        Whether r multiplies the product U h, or h itself.
    """

    def __init__(self, n_in: int, n_hidden: int, *, reset_after: bool = True) -> None:
        super().__init__()
        self.n_hidden, self.widths = n_hidden, (n_hidden,)
        self.reset_after = reset_after
        self.weight_ih = nn.Parameter(torch.empty(3 * n_hidden, n_in))
        self.weight_hh = nn.Parameter(torch.empty(3 * n_hidden, n_hidden))
        self.bias_ih = nn.Parameter(torch.empty(3 * n_hidden))
        self.bias_hh = nn.Parameter(torch.empty(3 * n_hidden))
        draw_recurrent(self, gates=3)

    def project(self, x: Tensor) -> Tensor:
        """Return W x + b for both gates and the candidate."""
        return nn.functional.linear(x, self.weight_ih, self.bias_ih)

    def advance(self, sums: Tensor, state: State) -> State:
        """Return h(t)."""
        (h,) = state
        of_r, of_z, of_n = sums.chunk(3, dim=-1)
        u_r, u_z, u_n = self.weight_hh.chunk(3)
        b_r, b_z, b_n = self.bias_hh.chunk(3)
        r = torch.sigmoid(of_r + nn.functional.linear(h, u_r, b_r))
        z = torch.sigmoid(of_z + nn.functional.linear(h, u_z, b_z))
        past = r * nn.functional.linear(h, u_n, b_n) if self.reset_after else nn.functional.linear(r * h, u_n, b_n)
        n = torch.tanh(of_n + past)
        return ((1 - z) * n + z * h,)

    def trace(self, x: Tensor, state: State, at: Moment) -> Iterator[Step]:
        """Yield one step: both gates, the candidate, the state."""
        (h,), k = state, at.unit
        W, U = self.weight_ih.chunk(3), self.weight_hh.chunk(3)
        b_w, b_u = self.bias_ih.chunk(3), self.bias_hh.chunk(3)
        gates = {}
        for n, (symbol, words) in enumerate(
            (
                ("r", "reset gate: how much of the past the candidate looks at, unit by unit from 0 to 1."),
                ("z", "update gate: how much of the old state is kept, unit by unit from 0 to 1."),
            )
        ):
            bias = b_w[n] + b_u[n]
            sums = nn.functional.linear(x, W[n]) + nn.functional.linear(h, U[n]) + bias
            gates[symbol] = torch.sigmoid(sums)
            terms = [*products(at, W[n], U[n]), ("bias", float(bias[k]), "")]
            yield gate(at, symbol, "sigmoid", words, gates[symbol], terms, matrices(at, symbol, W[n], U[n], bias))
        r, z = gates["r"], gates["z"]
        n, step = self._candidate(x, h, r, at)
        yield step
        (h_now,) = self.advance(self.project(x), state)
        symbols = at.name("z"), at.name("n"), f"{at.h_name}({at.t})"
        old, new, keep = float(h[k]), float(n[k]), float(z[k])
        yield combined(
            at,
            "gated state",
            "the state h",
            f"{symbols[2]} = (1 - {symbols[0]}) ⊙ {symbols[1]} + {symbols[0]} ⊙ {at.h_before}",
            f"(1 - {factor(keep)})·{factor(new)} + {factor(keep)}·{factor(old)}",
            symbols[2],
            h_now,
            "M(t) = remember(t) · M(t-1) + add(t) · M'(t), with add = 1 - remember: one gate does both.",
            **{symbols[0]: z, symbols[1]: n, at.h_before: h},
        )

    def _candidate(self, x: Tensor, h: Tensor, r: Tensor, at: Moment) -> tuple[Tensor, Step]:
        k, W, U = at.unit, self.weight_ih.chunk(3)[2], self.weight_hh.chunk(3)[2]
        b_w, b_u = self.bias_ih.chunk(3)[2], self.bias_hh.chunk(3)[2]
        r_name = at.name("r")
        if self.reset_after:
            past = nn.functional.linear(h, U, b_u)
            own = f"W_n {at.x_now} + b_n + {r_name} ⊙ (U_n {at.h_before} + b'_n)"
            terms = [*products(at, W, U[:, :0]), ("bias", float(b_w[k]), "")]
            terms.append((f"{r_name}[{k + 1}] times (U h + b')", float(past[k]), float(r[k])))
            n = torch.tanh(nn.functional.linear(x, W, b_w) + r * past)
            operands = matrices(at, "n", W, U, b_w) | {"b'_n": plain(b_u), "U h + b'": plain(past), r_name: plain(r)}
        else:
            looked = r * h
            own = f"W_n {at.x_now} + b_n + U_n ({r_name} ⊙ {at.h_before})"
            u, seen = plain(U)[k], plain(looked)
            terms = products(at, W, U[:, :0])
            terms += [(f"({r_name} ⊙ {at.h_before})[{j + 1}]", float(seen[j]), float(u[j])) for j in range(len(u))]
            terms.append(("bias", float(b_w[k] + b_u[k]), ""))
            n = torch.tanh(nn.functional.linear(x, W, b_w) + nn.functional.linear(looked, U, b_u))
            operands = matrices(at, "n", W, U, b_w + b_u) | {"r ⊙ h": seen, r_name: plain(r)}
        words = "candidate: what the new state could be, from the input and as much of the past as r lets through."
        return n, gate(at, "n", "tanh", words, n, terms, operands, own)

"""LSTM: the network with a long-term memory c(t) beside its short-term state h(t), and gates that guard it.

    i, f, o = σ(W x(t) + U h(t-1) + b), each with its own W, U, b      what to add, to keep, to show
    g       = tanh(W x(t) + U h(t-1) + b)                              what could be added
    c(t)    = f ⊙ c(t-1) + i ⊙ g
    h(t)    = o ⊙ tanh(c(t))

Where f = 1 and i = 0 the memory stands still, and so does the gradient that flows back through it.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real, Truth, Whole
from nnzoo.errors import UsageError
from nnzoo.estimator import Network
from nnzoo.networks.gates import Moment, Term, combined, gate, matrices, plain, products
from nnzoo.networks.memory import Fused, State, Unrolled, draw_recurrent
from nnzoo.networks.parameters import RecurrentParameters, with_parameters
from nnzoo.networks.remembering import Remembering
from nnzoo.trace import Step, factor, sum_of_products

GATES = {
    "i": ("sigmoid", "input gate: how much of the candidate is added to the memory, unit by unit from 0 to 1."),
    "f": ("sigmoid", "forget gate: how much of the memory is kept, unit by unit from 0 to 1."),
    "g": ("tanh", "candidate: what could be added to the memory."),
    "o": ("sigmoid", "output gate: how much of the memory is shown, unit by unit from 0 to 1."),
}


class LSTMCell(nn.Module):
    """The equations of one step, written out, in torch's order of the gates: i, f, g, o.

    Parameters
    ----------
    n_in, n_hidden : int
    forget_gate : bool
        False: f = 1, the cell of 1997.
    peepholes : bool
        The gates see the memory: i and f see c(t-1), o sees c(t), one weight a unit.
    normalization : None or "layer"
        Layer normalisation of W x, of U h and of c before the tanh (Ba et al. 2016).
    proj_size : int
        Numbers of h, where a projection makes them of o ⊙ tanh(c); 0: h is that itself.
    """

    def __init__(
        self,
        n_in: int,
        n_hidden: int,
        *,
        forget_gate: bool = True,
        peepholes: bool = False,
        normalization: str | None = None,
        proj_size: int = 0,
    ) -> None:
        super().__init__()
        n_out = proj_size or n_hidden
        self.n_hidden, self.widths = n_hidden, (n_out, n_hidden)
        self.forget_gate = forget_gate
        self.weight_ih = nn.Parameter(torch.empty(4 * n_hidden, n_in))
        self.weight_hh = nn.Parameter(torch.empty(4 * n_hidden, n_out))
        self.bias_ih = nn.Parameter(torch.empty(4 * n_hidden))
        self.bias_hh = nn.Parameter(torch.empty(4 * n_hidden))
        self.weight_hr = nn.Parameter(torch.empty(proj_size, n_hidden)) if proj_size else None
        self.peephole = nn.Parameter(torch.zeros(3, n_hidden)) if peepholes else None
        is_normal = normalization == "layer"
        self.norm_ih = nn.LayerNorm(4 * n_hidden) if is_normal else nn.Identity()
        self.norm_hh = nn.LayerNorm(4 * n_hidden) if is_normal else nn.Identity()
        self.norm_c = nn.LayerNorm(n_hidden) if is_normal else nn.Identity()
        draw_recurrent(self, gates=4)

    def project(self, x: Tensor) -> Tensor:
        """Return W x + b for all four gates."""
        return self.norm_ih(nn.functional.linear(x, self.weight_ih)) + self.bias_ih

    def advance(self, sums: Tensor, state: State) -> State:
        """Return h(t) and c(t)."""
        h, c = state
        sums = sums + self.norm_hh(nn.functional.linear(h, self.weight_hh)) + self.bias_hh
        i, f, g, o = sums.chunk(4, dim=-1)
        if self.peephole is not None:
            i, f = i + self.peephole[0] * c, f + self.peephole[1] * c
        kept = torch.sigmoid(f) * c if self.forget_gate else c
        c = kept + torch.sigmoid(i) * torch.tanh(g)
        if self.peephole is not None:
            o = o + self.peephole[2] * c
        h = torch.sigmoid(o) * torch.tanh(self.norm_c(c))
        return h if self.weight_hr is None else nn.functional.linear(h, self.weight_hr), c

    def trace(self, x: Tensor, state: State, at: Moment) -> Iterator[Step]:
        """Yield one step: the gates, the memory, the state."""
        before, k, c_before = state[1], at.unit, at.name("c").replace(f"({at.t})", f"({at.t - 1})")
        h_now, c_now = self.advance(self.project(x), state)
        values = {}
        for n, (symbol, (squash, words)) in enumerate(GATES.items()):
            if symbol == "f" and not self.forget_gate:
                values["f"] = torch.ones_like(before)
                continue
            values[symbol], terms, operands = self._gate(n, x, state, c_now, at)
            own = self._formula(symbol, at)
            yield gate(at, symbol, squash, words, values[symbol], terms, operands, own)
        i, f, g, o = (float(values[symbol][k]) for symbol in "ifgo")
        mixed = {at.name(symbol): values[symbol] for symbol in ("ifg" if self.forget_gate else "ig")}
        remember = f"{factor(f)}·{factor(float(before[k]))}" if self.forget_gate else factor(float(before[k]))
        f_name = f"{at.name('f')} ⊙ " if self.forget_gate else ""
        yield combined(
            at,
            "memory",
            "the memory c",
            f"{at.name('c')} = {f_name}{c_before} + {at.name('i')} ⊙ {at.name('g')}",
            f"{remember} + {factor(i)}·{factor(g)}",
            at.name("c"),
            c_now,
            "M(t) = remember(t) · M(t-1) + add(t) · M'(t): what is kept of the old memory, and what is written to it.",
            **mixed | {c_before: before},
        )
        shown = self.norm_c(c_now)
        inner = f"LN({at.name('c')})" if isinstance(self.norm_c, nn.LayerNorm) else at.name("c")
        h_name = f"{at.h_name}({at.t})"
        m_name = h_name if self.weight_hr is None else at.name("m")
        m = h_now if self.weight_hr is None else values["o"] * torch.tanh(shown)
        yield combined(
            at,
            "hidden state",
            "the state h" if self.weight_hr is None else "what is shown of the memory",
            f"{m_name} = {at.name('o')} ⊙ tanh({inner})",
            f"{factor(o)}·tanh({factor(float(shown[k]))})",
            m_name,
            m,
            "What the rest of the network sees of the memory at this step.",
            **{at.name("o"): values["o"], inner: shown},
        )
        if self.weight_hr is not None:
            yield combined(
                at,
                "projection",
                "the state h",
                f"{h_name} = W_r {m_name}",
                sum_of_products(plain(self.weight_hr[k]), plain(m)),
                h_name,
                h_now,
                "Fewer numbers than units: the gates of the next step see these.",
                **{"W_r": self.weight_hr, m_name: m},
            )

    def _gate(
        self, n: int, x: Tensor, state: State, c_now: Tensor, at: Moment
    ) -> tuple[Tensor, list[Term], dict[str, np.ndarray]]:
        """Return gate n in torch's order, what enters its followed unit, and what it is computed with."""
        h, c = state
        k, symbol = at.unit, tuple(GATES)[n]
        W, U = self.weight_ih.chunk(4)[n], self.weight_hh.chunk(4)[n]
        bias = (self.bias_ih + self.bias_hh).chunk(4)[n]
        of_x = self.norm_ih(nn.functional.linear(x, self.weight_ih)).chunk(4)[n]
        of_h = self.norm_hh(nn.functional.linear(h, self.weight_hh)).chunk(4)[n]
        z, operands = of_x + of_h + bias, matrices(at, symbol, W, U, bias)
        terms: list[Term] = products(at, W, U)
        if isinstance(self.norm_ih, nn.LayerNorm):
            operands |= {f"LN(W_{symbol} x)": plain(of_x), f"LN(U_{symbol} h)": plain(of_h)}
            terms = [("LN(W x)", float(of_x[k]), ""), ("LN(U h)", float(of_h[k]), "")]
        if self.peephole is not None and symbol != "g":
            seen, weight = (c_now if symbol == "o" else c), self.peephole["ifo".index(symbol)]
            z = z + weight * seen
            operands |= {"p": plain(weight), "c": plain(seen)}
            terms.append(("memory", float(seen[k]), float(weight[k])))
        terms.append(("bias", float(bias[k]), ""))
        return (torch.tanh if symbol == "g" else torch.sigmoid)(z), terms, operands

    def _formula(self, symbol: str, at: Moment) -> str:
        """Return the sum inside a gate."""
        parts = [f"W_{symbol} {at.x_now}", f"U_{symbol} {at.h_before}"]
        if isinstance(self.norm_ih, nn.LayerNorm):
            parts = [f"LN({part})" for part in parts]
        if self.peephole is not None and symbol != "g":
            parts.append("p ⊙ c")
        return " + ".join([*parts, f"b_{symbol}"])


@with_parameters
class LSTM(RecurrentParameters, Remembering, Network):
    """Long short-term memory for sequences, series and symbols.

    c(t) = f ⊙ c(t-1) + i ⊙ g, h(t) = o ⊙ tanh(c(t)), with gates i, f, o = σ(W x(t) + U h(t-1) + b). Rows are sequences:
    arrays (n, T, d) with ``lengths``, lists of arrays (T_i, d), or flat rows (n, T), one value a step. What stands
    behind the end of a row changes nothing.

    Parameters
    ----------
    forget_bias : float, default 1.0
        First bias of the forget gate: at 1 the memory is kept until training says otherwise.
    forget_gate : bool, default True
        False is the cell of 1997, which never forgets.
    peepholes : bool, default False
        The gates see the memory, too (Gers et al. 2002).
    normalization : None or "layer", default None
        Without forget gate, with peepholes, normalisation or a projection the steps run one by one, slower than torch's
        kernel.
    proj_size : int, default 0
        Numbers of h, fewer than ``n_hidden``, that a matrix makes of o ⊙ tanh(c): fewer weights for as much memory (Sak
        et al. 2014). 0 has no such matrix.
    Others: those of RecurrentParameters.

    Attributes
    ----------
    Others: those of RecurrentParameters.

    References
    ----------
    Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9, 1997. Gers, Schmidhuber & Cummins,
    "Learning to forget", Neural Computation 12, 2000. Gers, Schraudolph & Schmidhuber, Journal of Machine Learning
    Research 3, 2002 (peepholes). Sak, Senior & Beaufays, arXiv:1402.1128, 2014 (projection).

    Examples
    --------
    >>> import numpy as np
    >>> from nnzoo import LSTM
    >>> draw = np.random.default_rng(0)
    >>> X = [draw.normal(size=(draw.integers(3, 9), 1)) for _ in range(200)]
    >>> y = [row.sum() > 0 for row in X]
    >>> LSTM(n_hidden=16, n_epochs=40, random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    forget_bias: float = 1.0
    forget_gate: bool = True
    peepholes: bool = False
    normalization: str | None = None
    proj_size: int = 0

    ranges: ClassVar[Mapping[str, Range]] = {
        **RecurrentParameters.ranges,
        "forget_bias": Real(-100.0, 100.0),
        "forget_gate": Truth(),
        "peepholes": Truth(),
        "normalization": OneOf((None, "layer")),
        "proj_size": Whole(0, 10**6),
    }

    def make_layer(self, n_in: int) -> nn.Module:
        """Return one layer in one direction: torch's kernel, or the written-out cell for what the kernel lacks."""
        if self.proj_size >= self.n_hidden:
            raise UsageError(
                f"LSTM needs proj_size below n_hidden={self.n_hidden}; got {self.proj_size}.",
                "Pass 0, or fewer numbers.",
            )
        if self.peepholes or self.proj_size or self.normalization is not None or not self.forget_gate:
            cell = LSTMCell(
                n_in,
                self.n_hidden,
                forget_gate=self.forget_gate,
                peepholes=self.peepholes,
                normalization=self.normalization,
                proj_size=self.proj_size,
            )
            layer, bias = Unrolled(cell), cell.bias_ih
        else:
            kernel = nn.LSTM(n_in, self.n_hidden, batch_first=True)
            draw_recurrent(kernel, gates=4)
            make_cell = partial(LSTMCell, n_in, self.n_hidden)
            layer, bias = Fused(kernel, make_cell), kernel.get_parameter("bias_ih_l0")
        # torch keeps two biases that are added: the first one alone holds the bias of the forget gate
        nn.init.constant_(bias.detach()[self.n_hidden : 2 * self.n_hidden], self.forget_bias)
        return layer

"""A trace as a page: sentence, formula, the formula with numbers, a figure with its table, and all that went in.

The page asks nothing of the network and needs no script to be read; a short one lets the arrow keys walk.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from html import escape

import numpy as np

from nnzoo.pictures.canvas import BLUE, ORANGE, add_legend, drawing, new_figure, svg
from nnzoo.pictures.page import STYLE, document
from nnzoo.pictures.tiles import img
from nnzoo.trace import Step, Working, cell_name, shape, written

BUDGET = 450_000
"""Characters of tables of a page; beyond, figures stand without their table."""
PICTURES = ("image", "images")
FEW, MAX_NUMBERS, MAX_MAPS, MAX_PLACES = 24, 4096, 16, 49
SIDE, MAP, CELL, STRIP = 448, 112, 28, 4
"""Longest side of a figure and of a cell, in pixels; a figure is at most so many times as wide as high."""
OWN_STYLE = """
.nnzoo section{border-top:1px solid color-mix(in srgb,currentColor 25%,transparent);padding:.2rem 0 1rem;
margin-top:1.2rem;scroll-margin-top:1rem}
.nnzoo section:focus{outline:3px solid #0072b2;outline-offset:.4rem}
.nnzoo .f,.nnzoo .worked{font-family:ui-monospace,monospace;font-size:.92rem;padding:.4rem .6rem;overflow-x:auto;
background:color-mix(in srgb,currentColor 7%,transparent)}
.nnzoo .shapes{font-size:.85rem}
.nnzoo figure{margin:.8rem 0}
.nnzoo figcaption{font-size:.92rem}
.nnzoo img{image-rendering:pixelated;max-width:100%;height:auto;border:1px solid currentColor}
.nnzoo .maps{display:flex;flex-wrap:wrap;gap:.4rem}
.nnzoo table.grid td{padding:.1rem .4rem;text-align:right;white-space:nowrap}
.nnzoo table.grid .at{outline:2px solid #d55e00;outline-offset:-2px;font-weight:700}
.nnzoo table.grid th:first-child{position:sticky;left:0;background:Canvas}
.nnzoo .bar{display:inline-block;height:.7em;background:#d55e00;vertical-align:baseline}
.nnzoo .bar.minus{background:#0072b2}
.nnzoo .keys{font-size:.85rem}
@media print{.nnzoo .keys{display:none}}
"""
KEYS = """
const steps=[...document.querySelectorAll('.nnzoo section')];let now=-1;
function go(n){now=Math.max(0,Math.min(steps.length-1,n));steps[now].focus({preventScroll:true});
steps[now].scrollIntoView({block:'start'});}
document.addEventListener('focusin',e=>{const s=e.target.closest('section');if(s)now=steps.indexOf(s);});
document.addEventListener('keydown',e=>{
if(e.target.matches('input,textarea,.wide')||e.ctrlKey||e.metaKey||e.altKey)return;
if(e.key==='ArrowRight'||e.key==='n'){e.preventDefault();go(now+1);}
if(e.key==='ArrowLeft'||e.key==='p'){e.preventDefault();go(now-1);}
if(e.key==='o'){const all=[...(now<0?document:steps[now]).querySelectorAll('details')];
const open=all.some(d=>!d.open);all.forEach(d=>d.open=open);}});
"""
HOW = (
    "Arrow keys go from step to step, o opens and closes what a step shows. Cells are counted from 1. Numbers are "
    "written with five significant digits and computed with all of them: what you work out by hand may differ in the "
    "last digits, and in more of them where large terms nearly cancel. Blue is below zero, orange above."
)


def page(title: str, words: str, steps: Sequence[Step], *, predict: bool = False) -> str:
    """Return a trace as a page of its own."""
    return document(title, sections(title, words, steps, predict=predict), KEYS)


def sections(title: str, words: str, steps: Sequence[Step], *, predict: bool = False) -> str:
    """Return a trace as a fragment with its own style."""
    budget = [BUDGET]
    body = "".join(_section(number, step, budget, predict=predict) for number, step in enumerate(steps, start=1))
    head = f"<h1>{escape(title)}</h1><p>{escape(words)}</p><p class='keys'>{escape(HOW)}</p>"
    return f'<style>{STYLE}{OWN_STYLE}</style><div class="nnzoo">{head}{body}</div>'


def _section(number: int, step: Step, budget: list[int], *, predict: bool) -> str:
    numbers = "".join(f'<p class="worked">{escape(line)}</p>' for line in step.numbers.split("\n"))
    result = f"{numbers}{_figure(step.name, step.result, step, budget)}"
    asks = predict and bool(step.operands)
    if asks:
        which = escape(cell_name(step.name, step.cell)) if step.cell else escape(step.name)
        question = f"Your answer first: what is {which}? Then open."
        result = f"<details><summary>{question}</summary>{result}{_working(step)}</details>"
    operands = "".join(_operand(name, array, step, budget) for name, array in step.operands.items())
    inputs = f"<details{' open' * asks}><summary>What goes in</summary>{operands}</details>" if operands else ""
    return (
        f'<section id="step-{number}" tabindex="-1"><h2>{number}. {escape(step.title)}</h2>'
        f'<p>{escape(step.words)}</p><p class="f">{escape(step.formula)}</p>'
        f'<p class="shapes">{escape(step.shapes)}</p>'
        + (inputs + result if asks else result + _working(step) + inputs)
        + _by_hand(step, budget)
        + "</section>"
    )


def _by_hand(step: Step, budget: list[int]) -> str:
    """Return another cell for the reader to work out, with what it takes, its value folded away."""
    if not step.other:
        return ""
    name = escape(cell_name(step.name, step.other))
    needed = "".join(_operand(key, array, step, budget) for key, array in step.of_other.items())
    return (
        f"<details><summary>By hand: {name}</summary>"
        f"<p>These numbers take the place of their like in what goes in; all else is as above.</p>{needed}"
        f"<details><summary>Your answer first; then open</summary><p>{name} = {written(step.result[step.other])}</p>"
        "</details></details>"
    )


def _working(step: Step) -> str:
    if step.working is None:
        return ""
    working, lines = step.working, len(step.working.rows)
    if working.columns[-1] == "weight·value" and working.rows[-1][0] != "sum":
        total = sum(row[-1] for row in working.rows)
        working = Working(working.columns, (*working.rows, ("sum", "", "", float(total))))
    is_open = " open" * (lines <= FEW)
    of = cell_name(step.name, step.cell) if step.cell else step.name
    return f"<details{is_open}><summary>{escape(of)} line by line ({lines:,})</summary>{_table(working)}</details>"


def _table(working: Working) -> str:
    first = working.rows[0]
    head = "".join(f"<th{_side(k, first[k])}>{escape(name)}</th>" for k, name in enumerate(working.columns))
    rows = "".join(
        f"<tr>{''.join(f'<td{_side(k, cell)}>{_text(cell)}</td>' for k, cell in enumerate(row))}</tr>"
        for row in working.rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'


def _side(place: int, cell: object) -> str:
    return ' class="n"' if place and isinstance(cell, float | int) else ""


def _text(cell: object) -> str:
    return written(cell) if isinstance(cell, float) else escape(str(cell))


def _operand(name: str, array: np.ndarray, step: Step, budget: list[int]) -> str:
    """Return what goes in, of maps that one first which the worked cell came from."""
    labels = step.labels if array.ndim and array.shape[-1] == len(step.labels) else ()
    cell = step.cell[:1] if array.ndim > 2 and len(array) == len(step.result) else ()
    plain = Step("", "", "", "", name, array, "", cell=cell, labels=labels)
    return f"<h3>{escape(name)} {escape(shape(array))}</h3>{_figure(name, array, plain, budget)}"


def _figure(name: str, array: np.ndarray, step: Step, budget: list[int]) -> str:
    """Return an array as a figure with a sentence and a table."""
    if array.dtype.kind not in "fiub":
        return f"<p><b>{escape(name)} = {escape(', '.join(map(str, array.ravel().tolist())))}</b></p>"
    if array.size == 0:
        return ""
    if array.ndim <= 1 and array.size <= FEW:
        return f"<figure>{_bars(array, step)}<figcaption>{_sentence(name, array, step)}</figcaption></figure>"
    table = _numbers(array, step, budget) if step.view != "images" else ""
    picture = _curves(array, step) if step.view == "curve" else _heat(name, array, step)
    return f"<figure>{picture}<figcaption>{_sentence(name, array, step)}</figcaption>{table}</figure>"


def _sentence(name: str, array: np.ndarray, step: Step) -> str:
    low, high = float(array.min()), float(array.max())
    if array.size == 1:
        return f"{escape(name)} is {written(low)}."
    what = f"{escape(name)} has {array.size:,} values from {written(low)} to {written(high)}"
    if array.size > FEW or array.ndim > 1:
        colours = "lighter is more" if step.view in PICTURES else "blue below zero, orange above, pale near it"
        what += f" ({colours})"
    at = (
        f"; {escape(cell_name(name, step.cell))} is worked out above"
        if step.op and step.cell and array.size > 1
        else ""
    )
    return f"{what}{at}."


def _bars(values: np.ndarray, step: Step) -> str:
    flat = np.atleast_1d(values).ravel()
    top = float(np.abs(flat).max()) or 1.0
    names = [cell_name(step.name, (k,)) for k in range(len(flat))]
    if len(step.labels) == len(flat):
        names = [f"{name} {label}" for name, label in zip(names, step.labels, strict=True)]
    rows = "".join(
        f'<tr><th>{escape(str(label))}</th><td class="n">{written(value)}</td><td>'
        f'<span class="bar{" minus" * (value < 0)}" style="width:{6 * abs(value) / top:.2f}rem"></span></td></tr>'
        for label, value in zip(names, flat.tolist(), strict=True)
    )
    return f'<div class="wide"><table>{rows}</table></div>'


def _heat(name: str, array: np.ndarray, step: Step) -> str:
    maps = _as_maps(array, step)
    top = float(np.abs(array).max()) or 1.0
    longest = max(maps[0][1].shape[:2])
    side = min(SIDE, max(longest, CELL * longest)) if len(maps) == 1 else MAP
    pictures = []
    for number, grid in maps[:MAX_MAPS]:
        pixels = np.clip(grid, 0, 255).astype(np.uint8) if step.view in PICTURES else _coloured(_thick(grid) / top)
        alt = f"{name}{f', map {number + 1}' if len(maps) > 1 else ''} as a picture"
        alt = step.labels[number] if step.view == "images" and step.labels else alt
        pictures.append(img(pixels, alt, side))
    order = f"Map {maps[0][0] + 1}, then the others in order" if maps[0][0] else "In order"
    cut = f", {MAX_MAPS} of {len(maps):,} maps" if len(maps) > MAX_MAPS else ""
    more = f"<p>{order}{cut}.</p>" if len(maps) > 1 and step.view != "images" else ""
    return f'<div class="maps">{"".join(pictures)}</div>{more}'


def _curves(lines: np.ndarray, step: Step) -> str:
    """Return curves over the first operand, one for each line, the second one dashed."""
    x = next(iter(step.operands.values()))
    with drawing():
        figure, axes = new_figure()
        names = step.name.split(", ")
        for line, name, style, colour in zip(lines, names, ("-", "--"), (BLUE, ORANGE), strict=False):
            axes.plot(x, line, style, color=colour, label=name)
        axes.set_xlabel(next(iter(step.operands)))
        add_legend(axes)
        return svg(figure, f"{step.name} as curves")


def _as_maps(array: np.ndarray, step: Step) -> list[tuple[int, np.ndarray]]:
    """Return the pictures of an array: one, or one for each map; the map of the cell worked out comes first."""
    if step.view == "images":
        return list(enumerate(array))
    if step.view == "image" or array.ndim <= 2:
        return [(0, np.atleast_2d(array))]
    flat = array.reshape(len(array), array.shape[1], -1)
    first = step.cell[0] if step.cell else 0
    order = [first, *(k for k in range(len(flat)) if k != first)]
    return [(k, flat[k]) for k in order]


def _thick(grid: np.ndarray) -> np.ndarray:
    """Return a few long lines repeated, so that a line can be seen."""
    height, width = grid.shape
    return np.repeat(grid, max(1, width // (STRIP * height)), axis=0)


def _coloured(share: np.ndarray) -> np.ndarray:
    """Return values from -1 to 1 as blue, pale and orange: uint8 (height, width, 3)."""
    pale, blue, orange = np.array([244, 242, 236]), np.array([0, 90, 170]), np.array([205, 80, 0])
    strength = np.abs(np.nan_to_num(share))[..., None]
    return (pale + strength * (np.where(share[..., None] < 0, blue, orange) - pale)).astype(np.uint8)


def _in_a_line(cell: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """Return a cell (map, places ...) as (map, place in the line of all places)."""
    return (cell[0], int(np.ravel_multi_index(tuple(cell[1:]), tuple(shape[1:])))) if len(cell) == len(shape) else ()


def _numbers(array: np.ndarray, step: Step, budget: list[int], prefix: str = "") -> str:
    """Return all numbers of a small array, of maps those of the map that is worked out; nothing beyond the budget."""
    grid = array
    if array.ndim > 2 and len(array) > 1 and array.size <= MAX_NUMBERS and array[0].size <= MAX_PLACES:
        places = [cell_name("", place) for place in np.ndindex(array.shape[1:])]
        of_all = replace(step, labels=tuple(places), cell=_in_a_line(step.cell, array.shape), view="numbers")
        return _numbers(array.reshape(len(array), -1), of_all, budget, " of all maps, one a line")
    if array.ndim > 2 and step.view != "image":
        first = step.cell[0] if step.cell else 0
        grid, prefix = array[first].reshape(array.shape[1], -1), f" of map {first + 1}"
    elif array.ndim > 2:
        grid, prefix = array[..., 0], ", red"
    grid = np.atleast_2d(grid)
    if grid.size > MAX_NUMBERS:
        return ""
    at = step.cell[-2:] if len(step.cell) >= 2 and not prefix.startswith(", ") else step.cell
    marked = (0, *at)[-2:] if len(at) and step.op else ()
    html = _grid(grid, marked, step.labels if len(step.labels) == grid.shape[1] else ())
    if len(html) > budget[0]:
        return "<p>Its numbers are left out to keep the page small; --json has them.</p>"
    budget[0] -= len(html)
    is_open = " open" * (grid.size <= FEW * 4)
    return f"<details{is_open}><summary>The numbers{prefix}</summary><div class='wide'>{html}</div></details>"


def _grid(grid: np.ndarray, marked: Sequence[int], labels: Sequence[str]) -> str:
    names: Iterable[str] = labels or map(str, range(1, grid.shape[1] + 1))
    head = "".join(f"<th class='n'>{escape(name)}</th>" for name in names)
    rows = []
    for i, row in enumerate(grid.tolist()):
        cells = "".join(
            f"<td{' class=at' * ((i, j) == tuple(marked))}>{written(value)}</td>" for j, value in enumerate(row)
        )
        rows.append(f"<tr><th class='n'>{i + 1}</th>{cells}</tr>")
    return f'<table class="grid"><tr><th></th>{head}</tr>{"".join(rows)}</table>'

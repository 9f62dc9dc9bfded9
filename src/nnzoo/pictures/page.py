"""A whole HTML page around a fragment: no link to anything, readable on a phone, light and dark."""

import base64
import hashlib
from html import escape

LIGHT, LIGHT_INK, DARK, DARK_INK = "#ffffff", "#1a1e24", "#14171c", "#e6e8eb"
STYLE = """
.nnzoo{font:16px/1.5 system-ui,sans-serif;max-width:46rem;overflow-wrap:break-word}
.nnzoo h1{font-size:1.5rem;line-height:1.2;margin:0 0 .5rem}
.nnzoo h2{font-size:1.15rem;margin:2rem 0 .4rem}
.nnzoo p{margin:.4rem 0}
.nnzoo .wide{overflow-x:auto}
.nnzoo table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem;margin:.5rem 0;color:inherit}
.nnzoo th,.nnzoo td{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0;background:none;
border-bottom:1px solid color-mix(in srgb,currentColor 25%,transparent)}
.nnzoo td.n,.nnzoo th.n{text-align:right;white-space:nowrap}
.nnzoo svg{display:block;margin:.5rem 0}
.nnzoo pre{overflow-x:auto;font-size:.85rem;padding:.6rem;
border:1px solid color-mix(in srgb,currentColor 25%,transparent)}
.nnzoo summary{cursor:pointer}
"""


def document(title: str, fragment: str, script: str = "") -> str:
    """Return a page of one fragment; its policy forbids every request, and every script but the one given.

    Parameters
    ----------
    title : str
    fragment : str
        A ``<div class="nnzoo">`` with its own style, escaped already.
    script : str, optional
    """
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
    body = f"margin:0;padding:1rem;background:{LIGHT};color:{LIGHT_INK}"
    dark = f"@media (prefers-color-scheme:dark){{body{{background:{DARK};color:{DARK_INK}}}}}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><title>{escape(title)}</title>'
        f"<style>:root{{color-scheme:light dark}}body{{{body}}}{dark}"
        f".nnzoo{{margin:0 auto}}</style></head>\n<body>{fragment}{f'<script>{script}</script>' if script else ''}"
        "</body></html>\n"
    )

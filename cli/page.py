"""Reports as one HTML page that needs nothing beside it: its style, and plots as SVG within."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.session import refuse

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Html = Annotated[Path | None, typer.Option(help="Write the report as one HTML page.")]
# What was, what is ours, and whether it is better or worse.
BEFORE, OURS, BETTER, WORSE = "#8a94a6", "#2563eb", "#15803d", "#b91c1c"
STYLE = """
:root{color-scheme:light dark;--text:#1f2937;--soft:#4b5563;--line:#e5e7eb;--back:#fff;
 --better:#15803d;--worse:#b91c1c}
@media(prefers-color-scheme:dark){:root{--text:#e5e7eb;--soft:#a3adbb;--line:#323a46;
 --back:#14181f;--better:#4ade80;--worse:#f87171}
 svg{filter:invert(.9) hue-rotate(180deg)}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);
 max-width:76rem;margin:2rem auto;padding:0 1.5rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .4rem}
p{margin:.3rem 0;color:var(--soft)}p.sum{color:var(--text);font-size:1.05rem;margin:.6rem 0 1rem}
table{border-collapse:collapse;width:100%}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:right;
 vertical-align:top;font-variant-numeric:tabular-nums}
th{font-weight:600;color:var(--soft)}
th:first-child,td:first-child,.t th,.t td{text-align:left}
.t th.n,.t td.n{text-align:right}.n,.t td:first-child{white-space:nowrap}
.better{color:var(--better)}.worse{color:var(--worse)}
figure{margin:.5rem 0}svg{width:100%;height:auto}
.two{display:grid;grid-template-columns:1fr 1fr;gap:1rem 2rem}
@media(max-width:48rem){.two{grid-template-columns:1fr}.wide{overflow-x:auto}}
"""


def document(title: str, parts: Sequence[str]) -> str:
    """The whole page; ``parts`` are HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def listed(columns: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table of texts."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in body
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def two(figures: Sequence[str]) -> str:
    """Figures, two in a row."""
    return f'<div class="two">{"".join(figures)}</div>'


def figure(title: str, draw: Callable[[Axes], None]) -> str:
    """A plot as SVG within the page; the same figures give the same text."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib.figure import Figure

    # text stays text, and the same figures give the same page
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "meshline", "font.size": 10}):
        figure = Figure(figsize=(5.6, 3.6), layout="constrained")
        axes = figure.add_subplot()
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        draw(axes)
        out = io.StringIO()
        figure.savefig(
            out, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    svg = out.getvalue()
    return f"<figure><h2>{escape(title)}</h2>{svg[svg.index('<svg') :]}</figure>"


def writable(html: Path | None) -> None:
    """Ends the verb where the page could not be written in the end."""
    if html is not None and not html.absolute().parent.is_dir():
        refuse(f"--html: {html}: its folder does not exist. Give a file in one that does")


def write(html: Path, text: str) -> None:
    """Write the page; ends the verb when its place cannot be written to."""
    try:
        html.write_text(text, encoding="utf-8")
    except OSError as error:
        refuse(f"--html: {html}: {error.strerror}. Give a file that can be written")

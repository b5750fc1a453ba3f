"""Plots as SVG: small multiples, a panel for each workload, readable on light and dark ground. It knows nothing of what is plotted.

A panel has a row for each target. The names stand beside the bars and the figures behind them, so that colour carries nothing alone: it lifts the
target that the others are compared with, and sets the floor back.
"""

import dataclasses
import html
import math

COLUMNS = 3
PANEL_WIDTH, GAP, MARGIN = 380, 24, 20
HEAD_HEIGHT, TITLE_HEIGHT, ROW_HEIGHT, FOOT_HEIGHT = 62, 24, 18, 18
NAME_WIDTH, FIGURE_WIDTH = 86, 124
BAR_WIDTH = PANEL_WIDTH - NAME_WIDTH - FIGURE_WIDTH
BAR_HEIGHT = 10
STYLE = """
svg { --ground: #ffffff; --ink: #1c2128; --faint: #656d76; --line: #d5dae0; --lifted: #1f6feb; --bar: #9aa4b0; --back: #d9dee4; }
@media (prefers-color-scheme: dark) {
  svg { --ground: #0d1117; --ink: #e6edf3; --faint: #9198a1; --line: #30363d; --lifted: #4493f8; --bar: #6e7681; --back: #363c44; }
}
text { font: 11px system-ui, sans-serif; fill: var(--ink); }
.title { font-size: 17px; font-weight: 600; } .panel { font-weight: 600; } .faint { fill: var(--faint); }
.ground { fill: var(--ground); } .bar { fill: var(--bar); } .lifted { fill: var(--lifted); } .back { fill: var(--back); }
.whisker { stroke: var(--ink); stroke-width: 1.2; fill: none; } .line { stroke: var(--line); stroke-width: 1; }
.mark { fill: var(--ground); stroke-width: 1.6; } .mark.bar { stroke: var(--bar); } .mark.lifted { stroke: var(--lifted); } .mark.back { stroke: var(--faint); }
"""


@dataclasses.dataclass
class Row:
    """A target's values: (median, low, high) for bars, (p50, p99, p99.9) for latencies."""

    name: str
    values: tuple
    kind: str = "bar"  # or "lifted", "back"


def tag(name, text="", **attributes):
    """An element. In names of attributes `_` stands for `-`, and at their end for nothing."""
    shown = lambda value: f"{value:.1f}" if isinstance(value, float) else value
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{shown(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{html.escape(text)}</{name}>" if text else f"<{name}{written}/>"


def figure(value, unit):
    """Three digits or so, and the unit."""
    for factor, letter in ((1e6, "M"), (1e3, "k")) if unit == "/s" else ():
        if value >= factor:
            return f"{value / factor:.3g} {letter}{unit}"
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} {unit}".rstrip()


def document(title, subtitle, panels, draw):
    """`panels` are pairs of a title and rows; `draw` gives a panel's body, its top left corner being the origin."""
    heights = []
    for first in range(0, len(panels), COLUMNS):
        rows = max(len(rows) for _, rows in panels[first : first + COLUMNS])
        heights.append(TITLE_HEIGHT + rows * ROW_HEIGHT + FOOT_HEIGHT)
    columns = min(COLUMNS, len(panels))
    width = 2 * MARGIN + columns * PANEL_WIDTH + (columns - 1) * GAP
    height = HEAD_HEIGHT + sum(heights) + GAP * (len(heights) - 1) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{html.escape(title)}">',
        f"<style>{STYLE}</style>", tag("rect", class_="ground", width=width, height=height),
        tag("text", title, class_="title", x=MARGIN, y=30), tag("text", subtitle, class_="faint", x=MARGIN, y=48),
    ]  # fmt: skip
    for number, (name, rows) in enumerate(panels):
        line, column = divmod(number, COLUMNS)
        x, y = MARGIN + column * (PANEL_WIDTH + GAP), HEAD_HEIGHT + sum(heights[:line]) + GAP * line
        parts += [f'<g transform="translate({x} {y})">', tag("text", name, class_="panel", x=0, y=14), *draw(rows), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def middle(row):
    """Where the middle of a row lies below the panel's top."""
    return TITLE_HEIGHT + row * ROW_HEIGHT + ROW_HEIGHT / 2


def names(rows):
    return [tag("text", row.name, x=NAME_WIDTH - 8, y=middle(number) + 4, text_anchor="end") for number, row in enumerate(rows)]


def vertical(x, rows, label):
    """A line over all rows, and what it stands for."""
    bottom = TITLE_HEIGHT + len(rows) * ROW_HEIGHT
    return [
        tag("line", class_="line", x1=float(x), x2=float(x), y1=TITLE_HEIGHT, y2=bottom + 3),
        tag("text", label, class_="faint", x=float(x), y=bottom + 14, text_anchor="middle"),
    ]


def bars(title, subtitle, panels, unit="", mark=None):
    """A bar as long as the median with a whisker from the lowest to the highest, and a line at `mark` or else at 0. Panels have scales of their own."""

    def draw(rows):
        longest = max([row.values[2] for row in rows] + [mark or 0]) or 1
        at = lambda value: NAME_WIDTH + value / longest * BAR_WIDTH
        parts = names(rows)
        parts += vertical(at(mark or 0), rows, f"{mark or 0:g} {unit}")
        for number, row in enumerate(rows):
            y, (median, low, high) = middle(number), row.values
            parts.append(tag("rect", class_=row.kind, x=NAME_WIDTH, y=y - BAR_HEIGHT / 2, width=at(median) - NAME_WIDTH, height=BAR_HEIGHT, rx=1.5))
            if high > low:
                whisker = f"M{at(low):.1f} {y - 3:.1f}v6M{at(low):.1f} {y:.1f}H{at(high):.1f}M{at(high):.1f} {y - 3:.1f}v6"
                parts.append(tag("path", class_="whisker", d=whisker))
            parts.append(tag("text", figure(median, unit), x=at(high) + 7, y=y + 4))
        return parts

    return document(title, subtitle, panels, draw)


def latencies(title, subtitle, panels, unit="ms"):
    """Three points a row on a logarithmic scale, joined: a disc, a diamond and a triangle."""

    def draw(rows):
        shown = [value for row in rows for value in row.values if value]
        low, high = math.floor(math.log10(min(shown))), math.ceil(math.log10(max(shown)))
        high = max(high, low + 1)
        at = lambda value: NAME_WIDTH + (math.log10(max(value, 10.0**low)) - low) / (high - low) * BAR_WIDTH
        parts = names(rows)
        for power in range(low, high + 1):
            parts += vertical(at(10.0**power), rows, f"{10.0**power:g} {unit}")
        for number, row in enumerate(rows):
            y, values = middle(number), [value for value in row.values if value is not None]
            parts.append(tag("path", class_="whisker", d=f"M{at(values[0]):.1f} {y:.1f}H{at(values[-1]):.1f}"))
            shapes = [
                lambda x: tag("circle", class_=f"mark {row.kind}", cx=x, cy=y, r=3.6),
                lambda x: tag("path", class_=f"mark {row.kind}", d=f"M{x:.1f} {y - 4.6:.1f}l4.6 4.6l-4.6 4.6l-4.6 -4.6z"),
                lambda x: tag("path", class_=f"mark {row.kind}", d=f"M{x:.1f} {y - 4.4:.1f}l4.6 8h-9.2z"),
            ]
            parts += [shape(at(value)) for shape, value in zip(shapes, values)]
            text = " · ".join(figure(value, "") for value in values)
            parts.append(tag("text", f"{text} {unit}", x=NAME_WIDTH + BAR_WIDTH + 9, y=y + 4))
        return parts

    return document(title, subtitle, panels, draw)

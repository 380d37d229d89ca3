"""The plot: bars on a logarithmic scale, as SVG written by hand."""
import math
import pathlib
from xml.sax.saxutils import escape

import peers
from table import COLUMNS, Column, Results, with_unit, number

# All in pixels.
MARGIN, GAP, PANEL, LABELS, VALUES = 24, 32, 456, 206, 66
BARS = PANEL - LABELS - VALUES
ROW, BAR, HEAD, FOOT = 21, 13, 46, 34

PANELS = (
    (COLUMNS[0], "less is better: what a message costs"),
    (COLUMNS[2], "less is better: how long a message takes"),
    (COLUMNS[3], "less is better: the server's memory"),
    (COLUMNS[4], "less is better: one comes online, and {watchers} are told"),
)
KEYS = ((peers.OURS, "messengerd"), (peers.SYNCED, "waits for the disk, as messengerd does"),
        (peers.WRITTEN, "written, not synced"), (peers.NOTHING, "nothing stored"))

# Whoever looks may like it dark; the plot has a ground of its own, so that it can be read on any page.
STYLE = """
  text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px }
  /* Lines of the scale don't go through figures. */
  .value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
  .small { font-size: 11px; fill: #59636e }
  .ground { fill: #ffffff; stroke: #d1d9e0 }
  .line { stroke: #e4e8ec }
  .ours { fill: #0969da } .synced { fill: #4a535d } .written { fill: #8b949e } .nothing { fill: #c5ccd3 }
  text.ours { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .value { stroke: #0d1117 }
    .small { fill: #9198a1 }
    .ground { fill: #0d1117; stroke: #3d444d }
    .line { stroke: #262c34 }
    .ours { fill: #4493f8 } .synced { fill: #c3ccd5 } .written { fill: #7d8590 } .nothing { fill: #484f58 }
  }
"""


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def _tick(value: float) -> str:
    """A power of ten in few letters."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _panel(results: Results, column: Column, under: str, left: float, top: float) -> tuple[list[str], float]:
    """One chart, the smallest value on top, and how high it is."""
    found = [(results.median(row.name, column), row) for row in results.rows]
    bars = sorted(((value, row) for value, row in found if value), key=lambda bar: bar[0])
    sizes = {"watchers": f"{results.sizes.watchers:,}"}
    unit = f", {column.unit}" if column.unit else ""
    drawn = [_text(left, top + 14, column.title + unit, "title"),
             _text(left, top + 31, under.format(**sizes), "small")]
    if not bars:
        return [*drawn, _text(left, top + HEAD + 14, "not measured", "small")], HEAD + FOOT
    # The scale begins below the smallest: a bar of no length would look like nothing at all.
    low = math.floor(math.log10(bars[0][0] * 0.8))
    high = max(math.ceil(math.log10(bars[-1][0])), low + 1)
    origin, bottom = left + LABELS, top + HEAD + ROW * len(bars)

    def place(value: float) -> float:
        return BARS * (math.log10(value) - low) / (high - low)

    for power in range(low, high + 1):
        x = origin + place(10**power)
        drawn.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + HEAD - 4}" y2="{bottom}" class="line"/>')
        drawn.append(_text(x, bottom + 14, _tick(10**power), "small", "middle"))
    for position, (value, row) in enumerate(bars):
        y, ours = top + HEAD + ROW * position, " ours" if row.keeps == peers.OURS else ""
        drawn.append(_text(origin - 8, y + 11, row.label or row.title, ours.strip(), "end"))
        drawn.append(f'<rect x="{origin}" y="{y}" width="{place(value):.1f}" height="{BAR}" rx="2" class="{row.keeps}"/>')
        drawn.append(_text(origin + place(value) + 6, y + 11, with_unit(number(value), column.unit), "value" + ours))
    return drawn, bottom - top + FOOT


def svg(results: Results) -> str:
    width, top, drawn = 2 * MARGIN + 2 * PANEL + GAP, MARGIN, []
    x = MARGIN
    for keeps, words in KEYS:
        drawn.append(f'<rect x="{x}" y="{top}" width="{BAR}" height="{BAR}" rx="2" class="{keeps}"/>')
        drawn.append(_text(x + BAR + 6, top + 11, words))
        # About as wide as the words are.
        x += BAR + 30 + 6 * len(words)
    runs, date = results.begin["runs"], results.begin["machine"]["date"].split()[0]
    drawn.append(_text(width - MARGIN, top + 11, f"median of {runs}, {date}, logarithmic scales", "small", "end"))
    top += BAR + 26
    for pair in (PANELS[:2], PANELS[2:]):
        heights = []
        for position, (column, under) in enumerate(pair):
            lines, height = _panel(results, column, under, MARGIN + position * (PANEL + GAP), top)
            drawn += lines
            heights.append(height)
        top += max(heights) + 8
    height = top + MARGIN - FOOT + 14
    body = "\n".join(drawn)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-label="messengerd and its peers: CPU, time and memory">\n<style>{STYLE}</style>\n'
            f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" class="ground"/>\n{body}\n</svg>\n')


def write(results: Results, path: pathlib.Path) -> None:
    path.write_text(svg(results))

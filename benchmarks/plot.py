# SPDX-License-Identifier: Apache-2.0
"""The ratios as bars, in an SVG that reads well on light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.findings import Finding

ROW, LEFT, WIDTH, RIGHT = 30, 300, 380, 70
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f } .bar { fill: #2f6f9f } .missed { fill: #b4562b }
.limit { stroke: #24292f; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .bar { fill: #6aa9d8 } .missed { fill: #e08a5b } .limit { stroke: #e6edf3 }
}
"""


def plot(found: Sequence[Finding]) -> str:
    """Bars of those findings that are ratios; a line marks each budget."""
    rows = [finding for finding in found if finding.beside is not None]
    scale = WIDTH / max([1.2, *(finding.figure for finding in rows)])
    bars = "".join(_bar(finding, number * ROW, scale) for number, finding in enumerate(rows))
    width, height = LEFT + WIDTH + RIGHT, len(rows) * ROW + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" aria-label="Ratios and their budgets"><style>{STYLE}</style>{bars}</svg>\n'
    )


def _bar(finding: Finding, top: int, scale: float) -> str:
    length = finding.figure * scale
    limit = LEFT + (finding.budget.limit or 0) * scale
    line = f'<line class="limit" x1="{limit:.1f}" x2="{limit:.1f}" y1="{top + 3}" y2="{top + 29}"/>'
    colour = "bar" if finding.met else "missed"
    label = escape(finding.budget.label.replace("`", ""))
    return (
        f'<text x="{LEFT - 10}" y="{top + 20}" text-anchor="end">{label}</text>'
        f'<rect class="{colour}" x="{LEFT}" y="{top + 6}" width="{length:.1f}" height="20" rx="3"/>'
        f"{'' if finding.budget.limit is None else line}"
        f'<text x="{max(LEFT + length, limit) + 6:.1f}" y="{top + 21}">{finding.figure:.2f}</text>\n'
    )

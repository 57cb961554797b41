"""Define the report's style sheet, with one column on a phone, and light and dark colours.

The colours are Okabe and Ito's, which are distinct for people with the common kinds of colour
blindness. Some are darker on the light background.
"""

from __future__ import annotations

STYLE = """
:root {
  --paper: #fbfbfa; --card: #ffffff; --ink: #1b1f23; --soft: #5a636d; --line: #dfe3e7;
  --matched: #0072b2; --missed: #c04a00; --extra: #8f3f74; --good: #00704f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --card: #1d2125; --ink: #e8ebee; --soft: #a3adb7; --line: #363d44;
    --matched: #56b4e9; --missed: #f08c3a; --extra: #dd9cc0; --good: #3ecf9f;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 40px 0 12px; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
h3.spaced { margin: 20px 0 8px; }
.rule { margin-top: 16px; }
p { margin: 0 0 12px; max-width: 72ch; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
a { color: var(--matched); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(136px, 1fr)); gap: 12px;
  margin: 24px 0 0; padding: 0; list-style: none; }
.tiles li, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tiles li { padding: 12px; }
.tiles b { display: block; font-size: 1.5rem; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.tiles span { color: var(--soft); font-size: 0.8125rem; white-space: nowrap; }
.card { padding: 16px; margin: 0 0 16px; }
.two { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px),
  1fr)); align-items: start; margin-bottom: 16px; }
.two .card { margin: 0; }
.card .two { margin: 0; }
.card > p:last-child { margin-bottom: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.875rem; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
tr:last-child td { border-bottom: 0; }
th { font-weight: 600; color: var(--soft); white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.name { overflow-wrap: anywhere; min-width: 9rem; }
dl { display: grid; grid-template-columns: minmax(96px, max-content) 1fr; gap: 6px 16px; margin: 0;
  font-size: 0.9375rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
code, pre { font: 0.8125rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
pre.long { max-height: 20em; overflow: auto; white-space: pre; overflow-wrap: normal; }
pre + pre { margin-top: 10px; padding-top: 10px; border-top: 1px solid var(--line); }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0 0; padding: 0;
  list-style: none; font-size: 0.875rem; }
.key svg { width: 16px; height: 16px; vertical-align: -3px; margin-right: 6px; }
.chart { display: block; width: 100%; max-width: 560px; height: auto; font-size: 13px; }
.square { max-width: 440px; margin: 0 auto; }
.grid { stroke: var(--line); }
.even { stroke: var(--soft); stroke-dasharray: 4 4; }
.strip { fill: var(--line); opacity: 0.45; }
.tick { fill: var(--soft); }
.axis { fill: var(--ink); }
.value { fill: var(--ink); font-variant-numeric: tabular-nums; }
.stem { stroke: var(--matched); stroke-width: 3; opacity: 0.5; }
.dot, .plain { fill: var(--matched); }
.thin { stroke-width: 1.5; opacity: 0.35; }
.lossy { fill: var(--missed); }
.exact { fill: var(--card); stroke: var(--good); stroke-width: 1.5; }
.wide { max-width: none; min-width: 860px; }
circle.matched { fill: var(--matched); fill-opacity: 0.65; }
circle.borderline { fill: none; stroke: var(--soft); stroke-width: 1.5; }
path.missed { fill: none; stroke: var(--missed); stroke-width: 2.5; }
path.extra { fill: var(--extra); }
.head { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline; margin-bottom: 12px; }
.badge { font-size: 0.8125rem; padding: 0 8px; border: 1px solid currentColor;
  border-radius: 999px; white-space: nowrap; }
.badge.good { color: var(--good); }
.badge.missed { color: var(--missed); }
.badge.extra { color: var(--extra); }
figure { margin: 0; }
figcaption { color: var(--soft); font-size: 0.875rem; margin-bottom: 4px; }
img { display: block; width: 100%; max-width: 640px; height: auto; border-radius: 6px; }
ul.marked { margin: 12px 0 0; padding-left: 20px; font-size: 0.9375rem; overflow-wrap: anywhere; }
@media print {
  .card, figure { break-inside: avoid; }
}
"""

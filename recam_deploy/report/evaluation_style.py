"""Define what the report of an evaluation adds to the style sheet."""

from __future__ import annotations

EVALUATION_STYLE = """
td.lost { color: var(--missed); }
td.gained { color: var(--good); }
tr.main td { font-weight: 600; }
.card h3 + * { margin-top: 10px; }
path.float { fill: none; stroke: var(--soft); stroke-width: 7; opacity: 0.4; }
path.cvimodel { fill: none; stroke: var(--matched); stroke-width: 2; }
path.strict { stroke-dasharray: 7 5; }
.bars { display: grid; grid-template-columns: minmax(56px, max-content) 1fr max-content;
  gap: 10px 12px; align-items: center; font-size: 0.875rem; margin: 0; }
.bars dt { overflow-wrap: anywhere; max-width: 13rem; color: var(--ink); line-height: 1.25; }
.bars dt small { display: block; color: var(--soft); font-size: 0.75rem; }
.bars dd { font-variant-numeric: tabular-nums; white-space: nowrap; }
.bars dd.figures { font-size: 0.8125rem; line-height: 1.3; text-align: right; }
.bars dd.figures span { display: block; color: var(--soft); }
.pair { display: grid; gap: 3px; background: linear-gradient(var(--line), var(--line)) 100% 0 / 1px
  100% no-repeat, linear-gradient(var(--line), var(--line)) 50% 0 / 1px 100% no-repeat; }
.pair i { display: block; height: 9px; min-width: 1px; border-radius: 0 3px 3px 0; }
i.float { background: var(--soft); opacity: 0.5; }
i.cvimodel { background: var(--matched); }
.key i { display: inline-block; width: 22px; height: 9px; border-radius: 3px; margin-right: 6px; }
.key .swatch { width: 14px; height: 14px; border-radius: 3px; margin-right: 6px;
  display: inline-block; vertical-align: -2px; border: 1px solid rgba(0, 0, 0, 0.4); }
table.confusion { width: auto; }
table.confusion td, table.confusion th { border: 1px solid var(--card); padding: 6px 8px; }
table.confusion td { text-align: right; min-width: 3.25rem; font-variant-numeric: tabular-nums;
  background: rgba(128, 128, 128, 0.07); }
table.confusion td.right { background: rgba(0, 114, 178, var(--share)); }
table.confusion td.wrong { background: rgba(213, 94, 0, var(--share)); }
table.confusion td.none { color: var(--soft); opacity: 0.6; }
table.confusion th { text-align: right; font-size: 0.8125rem; max-width: 9rem; overflow: hidden;
  text-overflow: ellipsis; }
table.confusion tbody th { position: sticky; left: 0; background: var(--card); }
table.confusion .corner { text-align: left; font-weight: 400; }
table.confusion .nothing { font-style: italic; }
details summary { cursor: pointer; color: var(--soft); font-size: 0.9375rem; margin-top: 12px; }
@media (max-width: 480px) {
  main { padding: 16px 12px 48px; }
  th, td { padding: 5px 6px; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 8px; }
}
"""

"""How a report's page looks: on a screen, light or dark, on a phone, and on paper."""

_LIGHT = """
--back:#fdfdfc;--card:#f4f4f1;--ink:#1d1d1b;--muted:#5f5f5a;--line:#dcdcd6;--accent:#0b62a4;
--good:#1a7340;--fair:#8a5a00;--bad:#b3261e;
--c0:#0072b2;--c1:#e08a00;--c2:#009e73;--c3:#cc6fa2;--c4:#d55e00;--c5:#56b4e9;--c6:#9a8b00;
--c7:#7a7a7a;--none-c:#b9b9b2;
"""
_DARK = """
--back:#161618;--card:#202024;--ink:#ececea;--muted:#a6a6a0;--line:#37373c;--accent:#6cb6f0;
--good:#6cd391;--fair:#f0b94a;--bad:#ff8a80;
--c0:#4fa8e0;--c1:#f2a93b;--c2:#2fc79a;--c3:#e08fbe;--c4:#ff8747;--c5:#9cd6f7;--c6:#d8cb45;
--c7:#a3a3a3;--none-c:#5c5c62;
"""
STYLE = (
    f":root{{color-scheme:light dark;{_LIGHT}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    f"@media print{{:root{{color-scheme:light;{_LIGHT}}}}}"
    """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--back);color:var(--ink);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
overflow-wrap:anywhere}
main{max-width:60rem;margin:0 auto;padding:0 1.25rem}
header{padding:2.5rem 0 .5rem}
.over{margin:0;color:var(--muted);font-size:.8125rem}
h1{margin:.1rem 0 .75rem;font-size:1.9rem;line-height:1.2;font-weight:650;letter-spacing:-.015em}
h2{margin:0 0 .9rem;font-size:1.125rem;font-weight:650}
section{padding:1.6rem 0;border-top:1px solid var(--line)}
p{margin:.6rem 0;max-width:46rem}
.note{color:var(--muted);font-size:.875rem}
.ended{display:inline-block;margin:0 0 1.25rem;padding:.3rem .7rem;border-left:3px solid;
background:var(--card);font-weight:550}
.good{border-color:var(--good)}.fair{border-color:var(--fair)}.bad{border-color:var(--bad)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:1rem;
margin:0 0 1.4rem}
.tiles dt{color:var(--muted);font-size:.8125rem}
.tiles dd{margin:0;font-size:1.5rem;line-height:1.25;font-weight:600;
font-variant-numeric:tabular-nums;letter-spacing:-.01em}
.tiles small{display:block;min-height:1.2em;color:var(--muted);font-size:.75rem;font-weight:400;
letter-spacing:0}
.pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));
gap:.15rem 2rem;margin:0;font-size:.9375rem}
.pairs div{display:grid;grid-template-columns:8.5rem 1fr;gap:.5rem;padding:.15rem 0}
.pairs dt{color:var(--muted);overflow-wrap:normal}.pairs dd{margin:0;min-width:0}
.paths{margin:.2rem 0 0;padding:0;list-style:none;font-size:.8125rem;color:var(--muted)}
.wide{overflow-x:auto;max-width:100%}.grid .wide{align-self:end}
.grid th,.grid td{padding-right:.8rem}
table{border-collapse:collapse;font-size:.9375rem;line-height:1.4}
th,td{padding:.35rem 1.25rem .35rem 0;text-align:left;vertical-align:top;font-weight:400}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--muted);font-size:.8125rem;white-space:nowrap;
border-bottom:1px solid var(--line)}
tbody tr+tr th,tbody tr+tr td{border-top:1px solid var(--line)}
.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.more,.place{color:var(--muted)}
th,td{overflow-wrap:normal}tbody th{min-width:6rem}td.long{min-width:16rem}
th bdi{display:inline-block;max-width:22rem;overflow-wrap:break-word}
table+table,.wide+.wide{margin-top:1.2rem}
.place{margin:.3rem 0 0;font-size:.8125rem}
.happened{margin:0;color:var(--muted)}.cure{margin:.1rem 0 0}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);
white-space:nowrap}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,21rem),1fr));
gap:1.25rem 2rem;margin-bottom:.8rem}
figure{margin:0;min-width:0}
figcaption{font-size:.9375rem;font-weight:550;margin-bottom:.2rem}
figcaption:empty{display:none}
.plot{display:block;width:100%;max-width:34rem;height:auto;overflow:visible;
font-family:inherit;fill:var(--ink)}
.plot *{stroke-linejoin:round;stroke-linecap:butt}
.plot text{font-variant-numeric:tabular-nums}
.stacked{margin:0 0 1rem}.stacked .plot{max-width:none;border-radius:3px;overflow:hidden}
.map{display:grid;grid-template-columns:minmax(0,34rem) minmax(0,1fr);gap:1.5rem;align-items:start}
.swatch{display:inline-block;width:.7em;height:.7em;margin-right:.5em;border-radius:2px;
print-color-adjust:exact;-webkit-print-color-adjust:exact}
.bar{display:inline-block;width:4.5rem;height:.5rem;margin-right:.6rem;background:var(--card);
vertical-align:middle}
.bar i{display:block;height:100%;background:var(--accent);
print-color-adjust:exact;-webkit-print-color-adjust:exact}
details{margin:.4rem 0;font-size:.875rem}
summary{cursor:pointer;color:var(--muted)}
details .wide{margin-top:.5rem}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.875em}
pre{margin:.6rem 0 0;padding:.75rem 1rem;background:var(--card);overflow-x:auto;line-height:1.5}
footer{width:calc(100% - 2.5rem);max-width:57.5rem;margin:0 auto;padding:1rem 0 2.5rem;
color:var(--muted);font-size:.8125rem;
border-top:1px solid var(--line)}
@media (max-width:40rem){
header{padding-top:1.5rem}h1{font-size:1.5rem}
.map{grid-template-columns:minmax(0,1fr)}
.tiles{grid-template-columns:repeat(2,1fr)}
.pairs div{grid-template-columns:7rem 1fr}
th,td{padding-right:.9rem}.grid th,.grid td{padding-right:.55rem}
.sentences,.sentences thead,.sentences tbody{display:block}
.sentences tr{display:flex;flex-wrap:wrap;border-top:1px solid var(--line)}
.sentences thead tr{border-top:0;border-bottom:0}
.sentences th,.sentences td,.sentences thead th{flex:0 0 4.4rem;padding-right:0;border:0!important}
.sentences tr th:first-child{flex:1 1 0;min-width:0;overflow-wrap:anywhere}
.sentences thead .long{display:none}.sentences .long{flex:0 0 100%;min-width:0;padding-top:0}
.sentences td:not(.n,.long),.sentences thead th:not(.n,.long,:first-child){padding-left:.8rem}
}
@media print{
html{font-size:75%}thead th{white-space:normal}
.wide th,.wide td,th bdi{overflow-wrap:anywhere}th bdi{display:inline}
main,footer{max-width:none;padding:0}header{padding-top:0}
section{break-inside:avoid}.wide{overflow:visible}details{display:none}}
"""
)

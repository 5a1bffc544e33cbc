"""Sixty names that someone could give a model, a group or a metric to make a table do something."""

from __future__ import annotations

HTML = (
    "<script>alert(1)</script>",
    "</td></tr></table><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    '" onfocus="alert(1)" autofocus x="',
    "<!--",
    "--><b>",
    "<![CDATA[x]]>",
    "&lt;script&gt;",
    "&#60;b&#62;",
    "<a href='javascript:alert(1)'>x</a>",
    "<style>*{display:none}</style>",
    "<iframe srcdoc='<script>1</script>'></iframe>",
    "</bdi></th><td>99",
)
LATEX = (
    r"\input{/etc/passwd}",
    r"\write18{touch pwned}",
    r"\immediate\write18{touch pwned}",
    r"\newwrite\f\openout\f=pwned\relax",
    r"\def\x{\x}\x",
    r"\end{tabular}\end{document}",
    r"100% done",
    r"a & b \\ \hline",
    r"$x^2_{i}$ #1 ~ ^^M ^^41",
    r"}{}}{{",
    r"\verb|x",
    r"[3em] x",
    r"*",
    r"\csname end\endcsname",
    r"model_v1.5-large_{best}",
    r"\catcode`\%=12",
)
CSV = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1:A9)",
    "\t=1+1",
    "\r=1+1",
    ' =HYPERLINK("http://x","y")',
    "=cmd|' /C calc'!A0",
    'x","=1+1',
    "\uff1dSUM(A1)",
    "a,b;c",
    "'=1",
)
MARKDOWN = (
    "| a | b |",
    "**bold** _it_ ~~no~~",
    "[x](javascript:alert(1))",
    "![x](http://example.org/x.png)",
    "`code` ``",
    "<http://example.org>",
    "http://example.org www.example.org me@example.org",
    "\\| \\",
    ":smile: @everyone #1 $x$",
    "[^1] [x]: y",
)
UNICODE = (
    "\u202egnp.exe\u202c",
    "a\u200bb\ufeffc",
    "x\ny\r\nz",
    "\x1b[31mred\x1b[0m\x07\x00",
    "\U0001f469\u200d\U0001f4bb \u2764\ufe0f \u97f3\u58f0 \u0627\u0644\u0635\u0648\u062a",
    "\u0391\u03b2 \u00e9\u0142\u00df\u2192\u2225 Z\u0351\u036b\u0343",
    "\ud800 \ue000 \u2028 \uffff",
)
ALL = (*HTML, *LATEX, *CSV, *MARKDOWN, *UNICODE)

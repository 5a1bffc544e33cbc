"""`avbench protocol`: show the chain from file to number."""

from __future__ import annotations

import json
import textwrap
from typing import Annotated, Any

import typer

app = typer.Typer(help="Protocols of suites: what exactly is computed.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command()
def show(
    suite: Annotated[str, typer.Argument(help="As `avbench suites` lists them, or a folder with a suite.toml.")],
    protocol: Annotated[str | None, typer.Option("--protocol", help="Which of the suite's; without it, its default.")] = None,
    observe: Annotated[
        bool, typer.Option("--observe/--no-observe", help="Send a probe clip through each preparation and note every step.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Print the exact chain of a protocol: decoder, frames, resize, sound, network and its file, layer, statistic, unit."""
    from avbench import suites
    from avbench.protocol_chain import chain

    found = chain(suites.described(suite, protocol=protocol), observe=observe)
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False, default=str) if as_json else told(found), nl=as_json)


def told(found: dict[str, Any]) -> str:
    """The chain as text."""
    out = [f"{found['suite']}, protocol {found['protocol']}" + (f" ({found['paper']})" if found["paper"] else "")]
    rules = ", ".join(f"{key} {found['clip'][key]:g} (less: {rule})" for key, rule in found["conformance"].items())
    out += [f"clips: {rules}; {found['samples_per_item']} of each item", "", f"DECODER {found['decoder']['reader']}"]
    out += [_block(found["decoder"]["what"]), ""]
    for label, e in found["extractors"].items():
        out += [f"FEATURES {label}, revision {e['revision']}", _line("parameters", _settings(e["parameters"]))]
        out += [_block(e["definition"])]
        for key, value in e["preparation"].items():
            if key == "steps":
                out += ["    steps, on a clip as the suite asks for:", *(f"      {step}" for step in value)]
            else:
                out.append(_line(key, _settings(value) if isinstance(value, dict) else value))
        out.append(_line("network", e["network"]))
        for file in e["files"]:
            out.append(
                _line("file", f"{file['file']}; sha256 published: {file['sha256']}; here: {file['here']}; {file['from']}")
            )
        out += [_line("layers", ", ".join(e["layers"])), ""]
    for m in found["metrics"]:
        out += [
            f"NUMBER {m['metric']}, revision {m['revision']}: {m['title']}",
            _line("parameters", _settings(m["parameters"])),
        ]
        out += [_block(m["definition"])]
        for key in ("features of the clip", "features of the reference", "row", "columns", "statistic", "unit", "better"):
            value = m[key]
            if value:
                out.append(_line(key, ", ".join(value) if isinstance(value, list) else value))
        if m["only items with"]:
            out.append(_line("only items with", ", ".join(m["only items with"])))
        out += [_line("fewest clips", m["fewest clips"]), _line("source", m["source"]), ""]
    if found["not_yet"]:
        out.append(f"NOT COMPUTED, avbench does not have them yet: {', '.join(found['not_yet'])}")
    return "\n".join(out).rstrip() + "\n"


def _settings(values: dict[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in values.items()) or "none"


def _line(key: str, value: Any) -> str:
    return f"    {key}: {value}"


def _block(text: str) -> str:
    return textwrap.indent(text, "    | ")

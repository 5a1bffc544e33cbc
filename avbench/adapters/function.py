"""A plain function as a model: it gets the conditions of one item and returns arrays."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avbench import conditions as conditions_of
from avbench.errors import AvbenchError, BadCondition, BadParameter
from avbench.requests import target
from avbench.types import Clip, ClipFile, Generator, Item, NoClip, Stream, Suite, Task

PRODUCES: dict[str, tuple[Stream, ...]] = {
    "V2A": ("audio",),
    "I2A": ("audio",),
    "T2A": ("audio",),
    "I2V": ("video",),
    "T2V": ("video",),
    "A2V": ("video",),
    "I2T": ("text",),
}
"""What the stages of a cascade make; every other task makes both streams."""
_GIVEN = ("item", "seed", "target", "folder")


class FunctionModel(Generator):
    """What `generator` makes of a function."""

    function: typing.ClassVar[Callable[..., Any]]

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile | NoClip]:
        """Call the function item by item; an exception fails its item."""
        taken = inspect.signature(self.function).parameters
        for item in items:
            try:
                given: dict[str, Any] = dict(self.parameters())
                for name in self.conditions:
                    plain = name.removesuffix("?")
                    if plain in taken:
                        try:
                            given[plain] = conditions_of.value(plain, item, suite)
                        except BadCondition:
                            if plain == name:
                                raise
                            given[plain] = None
                extra = {
                    "item": item,
                    "seed": conditions_of.seed_of(item, seed),
                    "target": target(item, suite),
                    "folder": folder,
                }
                given |= {key: extra[key] for key in _GIVEN if key in taken}
                made = type(self).function(**given)
            except BadCondition as error:
                yield NoClip(item.id, str(error), again=False)
            except Exception as error:  # noqa: BLE001  a model's own code: whatever it raises is this item's
                yield NoClip(item.id, f"{type(error).__name__}: {error}")
            else:
                yield _clip(self.name, item, made)


def _clip(model: str, item: Item, made: Any) -> Clip | ClipFile | NoClip:
    if isinstance(made, Clip | ClipFile):
        return dataclasses.replace(made, id=item.id)
    if isinstance(made, str):
        return Clip(item.id, None, 0.0, None, 0, text=made)
    if isinstance(made, Path):
        return ClipFile(item.id, made, None, item.prompt)
    if not isinstance(made, tuple) or len(made) != 4:
        raise AvbenchError(
            f"model {model}: a function returns (frames, frame_rate, audio, sample_rate), a Clip, a path, or text; "
            f"for item '{item.id}' it returned {type(made).__name__}"
        )
    frames, frame_rate, audio, rate = made
    try:
        heard = None if audio is None else np.asarray(audio, dtype=np.float32)
        return Clip(item.id, frames, float(frame_rate or 0.0), heard, int(rate or 0), text=item.prompt)
    except (BadParameter, ValueError, TypeError) as error:
        return NoClip(item.id, str(error))


def generator(
    *,
    task: Task,
    conditions: Sequence[str] = (),
    source: str = "",
    name: str = "",
    title: str = "",
    revision: int = 1,
    clip_seconds: float | None = None,
    requires: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Any]], type[Generator]]:
    """Make a model of a function.

    The function is called once per item, by name, with whichever of these it has as parameters: the conditions (a picture is
    uint8 `(H, W, 3)`, `video` and `audio` are paths), `seed` (the item's own), `target` (wanted `seconds`, `frame_rate`,
    `width`, `height`, `sample_rate`), `item`, `folder` (for files). Parameters with a default are the model's parameters. It
    returns `(frames, frame_rate, audio, sample_rate)` with None for a stream it does not make, a `Clip`, the path of a
    file below `folder`, or text.

    Args:
        task: What it makes of what.
        conditions: What it needs of an item, `?` at the end of those it can do without.
        source: Paper, repository, commit.
        name: On the command line; the function's name without it.
        title: A line for lists; the first line of the docstring without it.
        revision: Raised when clips change.
        clip_seconds: For a model that makes clips of one length alone.
        requires: What has to be on the machine, for lists.
    """

    def wrap(function: Callable[..., Any]) -> type[Generator]:
        called = name or function.__name__
        hints = typing.get_type_hints(function)
        given = {*_GIVEN, *(c.removesuffix("?") for c in conditions)}
        fields: list[Any] = []
        for key, parameter in inspect.signature(function).parameters.items():
            if key in given:
                continue
            if parameter.default is inspect.Parameter.empty:
                raise BadParameter(f"model {called}: parameter '{key}' is no condition and has no default")
            fields.append((key, hints.get(key, type(parameter.default)), dataclasses.field(default=parameter.default)))
        about = inspect.getdoc(function) or ""
        made = dataclasses.make_dataclass(
            function.__name__,
            fields,
            bases=(FunctionModel,),
            frozen=True,
            namespace={
                "__doc__": about,
                "__module__": function.__module__,
                "__qualname__": function.__qualname__,
                "name": called,
                "title": title or about.partition("\n")[0].rstrip(".") or called,
                "source": source or function.__module__,
                "revision": revision,
                "task": task,
                "conditions": tuple(conditions),
                "produces": PRODUCES.get(task, ("video", "audio")),
                "clip_seconds": clip_seconds,
                "requires": dict(requires or {}),
                "function": staticmethod(function),
            },
        )
        made.__module__ = function.__module__
        return typing.cast(type[Generator], made)

    return wrap

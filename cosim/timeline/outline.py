"""What a reader of a timeline needs of the program that ran: names, tasks and loop trees.

It is read from the program's JSON form (`cosim.machine.program_file` writes it), so that a run
folder opens without anything that stands above the timeline in the house.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Stream = tuple[Any, ...]
"""Nodes of a loop tree: template ids and ``(count, (nodes...))`` pairs."""


@dataclass(frozen=True)
class Outline:
    """Names and loop trees of a program.

    Attributes
    ----------
    name : str
    components : tuple of str
        Names by rank.
    kinds : tuple of str
        Kinds of components by rank.
    background : tuple of bool
        Which components do not keep the run alive.
    lanes, layers : tuple of str
    tasks : tuple of dict
        `TaskInfo` of every template, as plain data: ``op``, ``activity``, ``macs``, ...
    streams : tuple of Stream
        Loop tree of every component.
    """

    name: str
    components: tuple[str, ...]
    kinds: tuple[str, ...]
    background: tuple[bool, ...]
    lanes: tuple[str, ...]
    layers: tuple[str, ...]
    tasks: tuple[dict[str, Any], ...]
    streams: tuple[Stream, ...]

    @staticmethod
    def from_program(document: dict[str, Any]) -> Outline:
        """Read the outline off a program's JSON form.

        Raises
        ------
        KeyError, TypeError, IndexError
            If `document` is not a program.
        """
        components = document["components"]
        return Outline(
            name=document["name"],
            components=tuple(component["name"] for component in components),
            kinds=tuple(component["kind"] for component in components),
            background=tuple(bool(component["background"]) for component in components),
            lanes=tuple(document["lanes"]),
            layers=tuple(document["layers"]),
            tasks=tuple(template["info"] for template in document["templates"]),
            streams=tuple(_nodes(component["stream"]) for component in components),
        )

    @cached_property
    def template_layer(self) -> NDArray[np.int32]:
        """Layer (index into `layers`) of every template, shape (n_templates,)."""
        return np.array([task["op"] for task in self.tasks], np.int32)

    def layer_name(self, template: int) -> str:
        """Name of the layer that a template's tasks belong to, empty if none."""
        op = int(self.tasks[template]["op"]) if 0 <= template < len(self.tasks) else -1
        return self.layers[op] if 0 <= op < len(self.layers) else ""

    def activity(self, template: int) -> str:
        """What a template's tasks do."""
        known = 0 <= template < len(self.tasks)
        return str(self.tasks[template]["activity"]) if known else "external"


def _nodes(items: list[Any]) -> Stream:
    return tuple(item if isinstance(item, int) else (item[0], _nodes(item[1])) for item in items)

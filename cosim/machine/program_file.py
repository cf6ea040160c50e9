"""A program as JSON data, for run folders, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from cosim.design.power import POLICY_KINDS, StateFactors, ThermalNetwork
from cosim.errors import CosimError
from cosim.mapping.program import Component, Governing, Pool, PoolPhase, Program, TaskInfo, Template
from cosim.mapping.task_stream import Loop, Node
from cosim.timeline.causes import Cause


def program_to_data(program: Program) -> dict[str, Any]:
    """Plain data (dict, list, str, numbers) that `program_from_data` reads; without `facts`."""
    return {
        "name": program.name,
        "clock_periods_ps": list(program.clock_periods_ps),
        "clock_names": list(program.clock_names),
        "pools": [
            {**asdict(pool), "phase": int(pool.phase), "cause": int(pool.cause)}
            for pool in program.pools
        ],
        "components": [
            {
                "name": component.name,
                "kind": component.kind,
                "stream": _nodes_to_data(tuple(component.stream)),
                "background": component.background,
                "release_cause": None
                if component.release_cause is None
                else int(component.release_cause),
            }
            for component in program.components
        ],
        "templates": [
            {
                "steps": [[int(value) for value in step] for step in template.steps],
                "info": {
                    **template.info._asdict(),
                    "energy": [list(entry) for entry in template.info.energy],
                },
            }
            for template in program.templates
        ],
        "lanes": list(program.lanes),
        "layers": list(program.layers),
        "static_mw": program.static_mw,
        "governing": _governing_to_data(program.governing) if program.governing else None,
    }


def program_from_data(data: dict[str, Any]) -> Program:
    """The program that `program_to_data` wrote.

    Raises
    ------
    CosimError
        If `data` is not a program.
    """
    try:
        return Program(
            name=data["name"],
            clock_periods_ps=tuple(data["clock_periods_ps"]),
            clock_names=tuple(data["clock_names"]),
            pools=tuple(
                Pool(**{**pool, "phase": PoolPhase(pool["phase"]), "cause": Cause(pool["cause"])})
                for pool in data["pools"]
            ),
            components=tuple(_component(component) for component in data["components"]),
            templates=tuple(_template(template) for template in data["templates"]),
            lanes=tuple(data["lanes"]),
            layers=tuple(data["layers"]),
            static_mw=data["static_mw"],
            governing=_governing(data["governing"]) if data.get("governing") else None,
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CosimError(f"not a program: {error!r}") from error


def _component(data: dict[str, Any]) -> Component:
    cause = data["release_cause"]
    return Component(
        name=data["name"],
        kind=data["kind"],
        stream=_nodes_from_data(data["stream"]),
        background=data["background"],
        release_cause=None if cause is None else Cause(cause),
    )


def _template(data: dict[str, Any]) -> Template:
    info = dict(data["info"])
    info["energy"] = tuple((name, role, amount) for name, role, amount in info["energy"])
    steps = tuple((kind, a, b, c) for kind, a, b, c in data["steps"])
    return Template(steps, TaskInfo(**info))


def _governing_to_data(governing: Governing) -> dict[str, Any]:
    return asdict(governing)


def _governing(data: dict[str, Any]) -> Governing:
    policy, thermal = data["policy"], data["thermal"]
    if policy is not None:
        fields = {name: _tuples(value) for name, value in policy.items()}
        policy = POLICY_KINDS[policy["kind"]](**fields)
    if thermal is not None:
        thermal = ThermalNetwork(**{name: _tuples(value) for name, value in thermal.items()})
    return Governing(
        **{
            **{name: _tuples(value) for name, value in data.items()},
            "states": tuple(StateFactors(**state) for state in data["states"]),
            "policy": policy,
            "thermal": thermal,
        }
    )


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _nodes_to_data(nodes: tuple[Node, ...]) -> list[Any]:
    return [
        [node.count, _nodes_to_data(node.body)] if isinstance(node, Loop) else int(node)
        for node in nodes
    ]


def _nodes_from_data(items: list[Any]) -> tuple[Node, ...]:
    return tuple(
        item if isinstance(item, int) else Loop(item[0], _nodes_from_data(item[1]))
        for item in items
    )

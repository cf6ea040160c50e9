"""How accurate a network is with its options: measured once by training it, then looked up.

The checkpoints that come along (``models/checkpoints/*.json``) were measured; a network with other
options can be trained here, and what it reached is kept beside the captured workloads. The
accuracy of a point is that of its network and options; the batch of the simulated step does not
count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from cosim.errors import CosimError
from cosim.explore.scenario import WorkloadEntry
from cosim.workload.networks import cache_directory

ADDED_LATER = frozenset({"path", "cost"})
"""Options that decide how a step is computed and not what: they change no accuracy."""


class AccuracyTable:
    """Accuracies by network and options.

    Parameters
    ----------
    training : mapping, optional
        Arguments of `models.training.run` (epochs, batch...) with which a network that has not
        been measured is trained; without it, asking for one is an error.
    """

    def __init__(self, training: Mapping[str, Any] | None = None) -> None:
        self.training = training
        self._known: dict[tuple[object, ...], float] = {}

    def of(self, entry: WorkloadEntry) -> float:
        """Share of right answers on the test set, 0 to 1.

        Raises
        ------
        CosimError
            If nobody measured it, and it is not to be trained.
        """
        key = (entry.network, tuple(sorted((k, repr(v)) for k, v in entry.options.items())))
        if key not in self._known:
            self._known[key] = self._measured(entry)
        return self._known[key]

    def _measured(self, entry: WorkloadEntry) -> float:
        if not entry.network:
            raise CosimError(
                f"the accuracy of a workload file is not known: '{entry.name}'", where=entry.where
            )
        for record in _records():
            if record["network"] == entry.network and _same(entry, record["options"]):
                return float(record["accuracy"])
        if self.training is not None:
            return self._trained(entry)
        measured = [
            ", ".join(f"{k}={v}" for k, v in record["options"].items() if k in entry.options)
            for record in _records()
            if record["network"] == entry.network
        ]
        raise CosimError(
            f"the accuracy of {entry.network} with "
            + (", ".join(f"{k}={v}" for k, v in entry.options.items()) or "its defaults")
            + " was never measured",
            where=entry.where,
            expected=f"one of ({'; '.join(dict.fromkeys(measured))}), or --train EPOCHS"
            if measured
            else "--train EPOCHS",
        )

    def _trained(self, entry: WorkloadEntry) -> float:
        asked = {
            "network": entry.network, "options": dict(entry.options), "training": self.training,
        }  # fmt: skip
        text = json.dumps(asked, sort_keys=True, default=str)
        name = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        kept = cache_directory().parent / "accuracy" / f"{entry.network}-{name}"
        record = kept / "accuracy.json"
        if record.is_file():
            return float(json.loads(record.read_text(encoding="utf-8"))["accuracy"])
        from models import training

        result = training.run(
            entry.network, dict(entry.options), out=str(kept), quiet=True, **(self.training or {})
        )
        part = record.with_suffix(".part")
        part.write_text(json.dumps({**asked, "accuracy": result.accuracy}), encoding="utf-8")
        part.replace(record)
        return float(result.accuracy)


@cache
def _records() -> tuple[dict[str, Any], ...]:
    """What the shipped checkpoints reached, those left out whose training changed the network."""
    folder = Path(str(files("models"))) / "checkpoints"
    every = (json.loads(f.read_text(encoding="utf-8")) for f in sorted(folder.glob("*.json")))
    return tuple(r for r in every if not any("--rank-prior" in c for c in r["commands"]))


def _same(entry: WorkloadEntry, measured: Mapping[str, Any]) -> bool:
    """Whether a checkpoint was made with the options of this entry, defaults included.

    An option in which no two checkpoints of a network differ has its default in all of them; so
    the network itself (and with it torch) is asked only where that does not decide.
    """
    asked = _decisive(entry.options)
    known = _decisive(measured)
    if any(repr(known[key]) != repr(asked[key]) for key in asked.keys() & known.keys()):
        return False
    open_keys = (asked.keys() - known.keys()) | (_telling(entry.network) - asked.keys())
    if not open_keys:
        return True
    from models import networks

    defaults = networks.resolve(entry.network, {})
    return all(
        repr(asked.get(key, defaults.get(key))) == repr(known.get(key, defaults.get(key)))
        for key in open_keys
    )


def _telling(network: str) -> set[str]:
    """Options in which the checkpoints of a network differ."""
    options = [_decisive(r["options"]) for r in _records() if r["network"] == network]
    keys = {key for table in options for key in table}
    return {key for key in keys if len({repr(table.get(key)) for table in options}) > 1}


def _decisive(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in ADDED_LATER}

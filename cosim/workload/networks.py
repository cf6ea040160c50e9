"""Workloads by name: build the network, capture it once, keep the result.

A network is named by

* a name that `models.networks` knows: ``lenet5``;
* ``module:callable`` or ``file.py:callable``: called with the options, it returns a module, or a
  module and its example inputs. Without inputs, the module's ``input_shape`` (one input, no batch
  axis) or the caller's is filled with normal values;
* a workload file: ``step.json``.

Captured workloads are kept under `cache_directory` by the content of what they depend on, so that
a second run needs no torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from cosim.errors import CosimError, nearest
from cosim.workload import files
from cosim.workload.workload import Workload

CACHE_VARIABLE = "EDGE_COSIM_CACHE"


def load_or_capture(
    network: str,
    options: Mapping[str, Any] | None = None,
    *,
    mode: str = "inference",
    batch: int = 1,
    optimizer: str = "sgd",
    input_shape: Sequence[int] | None = None,
    tensors: str = "auto",
    refresh: bool = False,
) -> Workload:
    """The workload of a named network, from the cache where it was captured before.

    Parameters are those of `capture_named`; `refresh` captures again whatever is kept.

    Raises
    ------
    CosimError
        See `capture_named`; a cache that cannot be read or written is no error.
    """
    if network.endswith(".json"):
        return files.load_workload(network)
    asked = {
        "network": network, "options": dict(options or {}), "mode": mode, "batch": batch,
        "optimizer": optimizer if mode == "training" else "",
        "input_shape": list(input_shape or ()), "tensors": tensors,
    }  # fmt: skip
    kept = cache_directory() / f"{_file_name(network)}-{content_key(asked)}.json"
    if kept.exists() and not refresh:
        with contextlib.suppress(CosimError):  # damaged: captured again, and replaced
            return files.load_workload(kept)
    workload = capture_named(
        network, options, mode=mode, batch=batch, optimizer=optimizer, input_shape=input_shape,
        tensors=tensors,
    )  # fmt: skip
    with contextlib.suppress(CosimError, OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        files.save_workload(workload, kept)
    return workload


def capture_named(
    network: str,
    options: Mapping[str, Any] | None = None,
    *,
    mode: str = "inference",
    batch: int = 1,
    optimizer: str = "sgd",
    input_shape: Sequence[int] | None = None,
    tensors: str = "auto",
) -> Workload:
    """Build a network and capture one inference or training step of it.

    Parameters
    ----------
    network : str
        A name of `models.networks`, or ``module:callable``.
    options : mapping, optional
        Keyword arguments of the network.
    batch : int
        Inputs in one run, 1 or more.
    input_shape : sequence of int, optional
        Shape of one input, without the batch axis, for a callable that does not say it.

    Raises
    ------
    CosimError, models.errors.ModelError
        The network, its options or the batch are not right.
    """
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise CosimError(f"batch of {batch!r}", expected="a whole number, 1 or more")
    from cosim.workload.capture import capture, seeded

    given = dict(options or {})
    loss = target = None
    if ":" in network:
        module, inputs = called(network, given, batch, input_shape)
    else:
        from models import networks

        with seeded():
            module = networks.build(network, **given)
        inputs = networks.example_input(network, batch=batch, **given)
        if mode == "training":
            target = networks.example_target(network, batch=batch, **given)
            loss = networks.loss
    source = {"network": network, "options": given}
    if mode == "training":
        source["optimizer"] = optimizer
    return capture(
        module, inputs, mode=mode, loss=loss, target=target, optimizer=optimizer,
        name=network.rpartition(":")[2], batch=batch, tensors=tensors, source=source,
    )  # fmt: skip


def cache_directory() -> Path:
    """Where captured workloads are kept: ``$EDGE_COSIM_CACHE``, or the platform's cache."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "edge-cosim" / "workloads"


def called(
    network: str, options: dict[str, Any], batch: int, input_shape: Sequence[int] | None
) -> tuple[Any, Any]:
    """Module and example inputs of ``module:callable``; parameters as in `capture_named`.

    Raises
    ------
    CosimError
        It cannot be imported or called, or does not return what it should.
    """
    from cosim.workload.capture import normal_input, seeded

    place, _, name = network.rpartition(":")
    with _working_directory_importable():
        try:
            module = _imported(place)
        except ImportError as error:
            raise CosimError(f"cannot import '{place}': {error}", where=network) from error
        function = getattr(module, name, None)
        if not callable(function):
            found = nearest(name, (n for n, v in vars(module).items() if callable(v)))
            raise CosimError(f"'{place}' has no callable '{name}'", where=network, nearest=found)
        try:
            parameters = inspect.signature(function).parameters
            if "batch" in parameters and "batch" not in options:
                options = {**options, "batch": batch}
            with seeded():
                made = function(**options)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise CosimError(f"'{name}' failed: {said}", where=network) from error
    if isinstance(made, tuple) and len(made) == 2:
        return made
    if not hasattr(made, "named_parameters"):
        raise CosimError(
            f"'{name}' returned {type(made).__name__}",
            where=network,
            expected="a torch module, or a module and its example inputs",
        )
    shape = input_shape if input_shape is not None else getattr(made, "input_shape", None)
    if shape is None:
        raise CosimError(
            "nothing says what the network's input is",
            where=network,
            expected="an input shape (--input-shape 3x224x224), or a callable that returns "
            "a module and its example inputs",
        )
    return made, normal_input((batch, *shape))


def _imported(place: str) -> ModuleType:
    """A module by dotted name, or from a file."""
    if not place.endswith(".py"):
        return importlib.import_module(place)
    spec = importlib.util.spec_from_file_location(Path(place).stem, place)
    if spec is None or spec.loader is None or not Path(place).is_file():
        raise ImportError("no such file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _working_directory_importable() -> Iterator[None]:
    """The user's module is beside where the command was called."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(here)


def content_key(asked: Mapping[str, object], content_of: Iterable[Path] = ()) -> str:
    """What a captured workload depends on: the request and the sources that answer it.

    With `content_of`, the content of these files too.
    """
    try:
        torch = metadata.version("torch")
    except metadata.PackageNotFoundError:
        torch = ""
    place = str(asked["network"]).rpartition(":")[0] or "models"
    if place != "models" and not place.endswith(".py"):
        place = place.partition(".")[0]
    depends = {**asked, "format": files.VERSION, "torch": torch}
    try:
        text = json.dumps(depends, sort_keys=True)
    except TypeError as error:
        raise CosimError(f"options: {error}", expected="text, numbers, true or false") from error
    digest = hashlib.sha256(text.encode())
    for source in sorted({*_sources(place), *Path(__file__).parent.glob("*.py"), *content_of}):
        with contextlib.suppress(OSError):
            digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:24]


def _sources(place: str) -> list[Path]:
    """The Python files of a top-level package or module, or one file; found without importing."""
    if place.endswith(".py"):
        return [Path(place)]
    with _working_directory_importable():
        spec = importlib.util.find_spec(place)
    if spec is None:
        return []
    if spec.submodule_search_locations:
        roots = spec.submodule_search_locations
        return [file for root in roots for file in Path(root).rglob("*.py")]
    return [Path(spec.origin)] if spec.origin else []


def _file_name(network: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in network)[-60:]


def kept_parameters() -> list[Path]:
    """The files of the parameters that come with the project's networks; imports nothing."""
    spec = importlib.util.find_spec("models")
    roots = spec.submodule_search_locations if spec is not None else None
    return [
        file for root in roots or () for file in Path(root, "checkpoints").rglob("*")
        if file.is_file() and file.suffix != ".py"
    ]  # fmt: skip

"""The reference pipeline that `cosim bench` measures with."""

from __future__ import annotations

from cosim.cli.bench_programs import pipeline

__all__ = ["pipeline"]

"""Small machines are looked at by the compiled kernel as well, though it hardly pays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cosim.machine import fast_forward


@pytest.fixture(autouse=True, scope="package")
def however_few_tasks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_forward, "FEW_TASKS", 0)
        patch.setattr(fast_forward, "MANY_TASKS", 0)
        yield

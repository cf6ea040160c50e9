"""Names of components, lanes, layers and causes, looked up once."""

from __future__ import annotations

from cosim.timeline.outline import Outline


class Names:
    """What exporters call tasks.

    Parameters
    ----------
    outline : Outline
    """

    def __init__(self, outline: Outline) -> None:
        numbers = range(-1, len(outline.tasks))
        self.outline = outline
        self._layers = {number: outline.layer_name(number) for number in numbers}
        self._activities = {number: outline.activity(number) for number in numbers}

    def layer(self, template: int) -> str:
        """Name of the layer of a template's tasks."""
        return self._layers[template]

    def activity(self, template: int) -> str:
        """What a template's tasks do."""
        return self._activities[template]

    def task(self, template: int) -> str:
        """Layer and activity in one."""
        return " ".join(filter(None, (self._layers[template], self._activities[template])))

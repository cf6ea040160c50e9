"""Which kind of machine a design file describes, and what such a file may say."""

from __future__ import annotations

from cosim.design.document import Document
from cosim.design.pipeline_specification import PipelineDesignSpec
from cosim.design.specification import DesignSpec
from cosim.errors import unknown

MODELS: dict[str, type[DesignSpec] | type[PipelineDesignSpec]] = {
    "shared-engine": DesignSpec,
    "dataflow-pipeline": PipelineDesignSpec,
}
"""Templates of whole machines: engines that all layers share, or one engine a layer."""


def model_of(document: Document) -> type[DesignSpec] | type[PipelineDesignSpec]:
    """The specification that a design file must meet, by its ``template``.

    Raises
    ------
    CosimError
        For a template that there is not.
    """
    name = str(document.values.get("template", "shared-engine"))
    if name not in MODELS:
        raise unknown("template", name, MODELS, document.where(("template",)))
    return MODELS[name]

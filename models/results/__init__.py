"""The tables of ``docs/results.md``: one module a topic, each made by one command.

``python -m models.results TOPIC --data mnist.npz`` measures and prints a topic's tables;
``--write docs/results.md`` also puts them into that file, between the topic's two markers. A topic
is a module here with ``add_arguments(parser)`` and ``run(arguments) -> str`` (Markdown). Training
itself lives in `models.training`.
"""

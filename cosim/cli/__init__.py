"""The command line: one thin file a command, imported only when that command is chosen.

A command ``cosim NAME`` is the module ``cosim.cli.NAME``. Its docstring is the text of ``--help``
(with an example), and it offers ``add_arguments(parser)`` and ``run(args) -> int`` (exit status).
`cosim.cli.main` lists the commands and turns errors into one line and a non-zero exit status.
"""

"""The windows of the desktop program.

Panels share one `State` (what is open, shown and selected) and never talk to each other; what can
be done is listed once, in the action registry, which menus, shortcuts, the command palette and the
shortcut sheet are made of. Drawing is `gui.painting`, what is drawn is `gui.views`.
"""

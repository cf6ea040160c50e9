"""The desktop program: widgets over painting (QPainter, no widgets) over views (no Qt at all)."""

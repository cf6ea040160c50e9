"""What is shown of a run, as data: stores, pyramids and the `View`. Nothing here imports Qt."""

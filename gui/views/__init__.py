"""What is shown of a run, as data: stores, pyramids and the `View`. Nothing here imports Qt.

==================  ========================================================================
`run_data`          a run folder opened for showing; everything derived from it, made once
`interval_store`    intervals by lane over memory-mapped columns: windows, neighbours, sums
`pyramid`           shares of time by category at every zoom, so that a frame costs the same
`counter_store`     step functions with minimum and maximum at every zoom
`machine_state`     what every component does, waits for and holds at one instant
`tensor_map`        tensors as rectangles of address and time
`design_table`      design points as columns that sort and filter fast
`comparison`        runs side by side, aligned by layer
`view`              what is shown, as JSON: the same file draws on screen and to a file
`what_if`           parameters of a design that can be changed and run again
==================  ========================================================================
"""

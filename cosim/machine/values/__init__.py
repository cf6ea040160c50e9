"""Programs that carry data: the tasks of a run move and compute the real numbers.

The timeline says when each task ran, `cosim.mapping.regions` says what it claims to read and
write; here those claims are carried out on memories made of bytes, in the order of time. Nothing
in here decides anything: a mapping that loses, repeats or misplaces a tile gives a wrong number or
reads what is not there, and is told so with time, task, tensor and region.
"""

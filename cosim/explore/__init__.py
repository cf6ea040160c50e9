"""Many runs of one idea: scenarios, and what runs them.

`scenario` is what a scenario file says, expanded into design points; `scenario_file` reads and
checks it (pydantic is imported only there); `run_scenario` captures the workloads, runs every
point and keeps the run folders. How results are shown is not here but in `cosim.report`.
"""

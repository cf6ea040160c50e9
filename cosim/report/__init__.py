"""What a person reads: terminal tables and the self-contained HTML report.

`terminal` prints with rich; `page` assembles the HTML from pictures, which are inline SVG made by
`svg`: `breakdown_picture`, `time_picture` (lanes, bandwidth, power and memory over one time axis),
`memory_picture`. Colours and words are in `palette`, quantities in `quantities`. Everything is
drawn from summaries and analyses; nothing is computed here.
"""

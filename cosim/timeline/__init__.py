"""What happened in a run: intervals in columns, the folder that keeps them, and exports.

`timeline` is what readers ask; rows may be stored one by one or as periods with a repeat count.
`run_folder` writes and opens runs, `export` turns them into other tools' formats, `causes` names
what intervals waited for. Nothing here knows how a machine works.
"""

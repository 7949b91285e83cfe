"""One order, arrow by arrow: a `Run` of `Moment`s, live (`stepping`) or out of a file (`capsule`).

`watch` reads where the order is halted, `course` chooses what is shown next, `strands` says what belongs together, and
`changes` what a step has changed. It may import `orderlab.drawing`, `orderlab.access` and what is below.
"""

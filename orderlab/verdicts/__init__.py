"""What an order's end state amounts to: `rules` (evidence in, verdict out), `judge` (gathers the evidence, SQL in
`verdicts.sql`), and `predictions` (what each cell of a matrix must come to, written down before it is run).

`rules`, `verdict` and `predictions` are pure. It may import what is below; it knows no drawing and no notebook.
"""

"""What can go wrong at a step: faults, the gates where they fire, and how they are armed.

`model` (what a fault is) and `gates` are of the standard library only, for every step passes through them. `keeper`
brings faults into a process, `arming` arms them (SQL in `faults.sql`), `script` writes them down before they are armed.
It may import `orderlab.calls` and what is on the ground floor; it knows no service and no notebook.
"""

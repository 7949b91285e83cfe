"""One scenario, answered three ways: by the real lab under load, by a model of it, and by queueing theory.

What stands here knows no lab, no portal and no services. `arrivals`, `scenario`, `troubles`, `theory`, `tables`,
`calibration` and `answers` are standard library only; `model` and its `broker` import SimPy besides. Of orderlab they
import what is standard library itself: `sequence`, `order`, `errors`, `nearest`.
"""

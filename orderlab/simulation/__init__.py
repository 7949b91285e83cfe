"""One scenario, answered by a model of the lab and by queueing theory.

What stands here knows no lab, no portal and no services. It is standard library only, but for `model` and its `broker`,
which import SimPy. Of orderlab it imports what is standard library itself: `sequence`, `order`, `errors`, `nearest`.
"""

"""One scenario, answered three ways: by the real lab under load, by a model of it, and by queueing theory.

What stands here knows no lab, no portal and no services. All is standard library only, but for `model` and its
`broker`, which import SimPy. Of orderlab they
import what is standard library itself: `sequence`, `order`, `errors`, `nearest`.
"""

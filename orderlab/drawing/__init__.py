"""Pictures and their texts: the sequence, the timeline, the grid, designs side by side, and exports to other tools.

Events in, SVG and text out: it knows no lab, no portal and no stepping. It may import `orderlab.verdicts` (the words of
a grid) and what is below.
"""

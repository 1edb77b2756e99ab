"""What the farm can do on this machine, measured against rivals in the same run.

Figures of two machines, or of two days, do not compare; ratios taken in one run do.
"""

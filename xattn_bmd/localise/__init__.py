"""Find bones in radiographs and cut them out: one optional stage of the road, before any comparison.

Training, cohort, network and metric meet here as they do in ``training``, which may use this package and not the other
way round: a cropped cohort is a cohort like any other.
"""

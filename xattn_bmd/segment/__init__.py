"""Find bone in CT volumes: an optional stage of the road, before densities are measured or learned.

As in ``localise``, data, network and metric meet here; ``training`` may use this package and not the other way round.
"""

"""Stories that play a before-state and Meshline over the same seeded world, and compare them.

A discrete-event simulation: orders come, nodes work off their queues, parcels travel. Meshline's
side decides by the product's own policies, prices, packing and dates.
"""

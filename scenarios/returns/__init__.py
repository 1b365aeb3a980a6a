"""Returns: by hand with a queue and a daily batch, and by Meshline's policies, over the same ones.

A discrete-event simulation. What is true of a return is drawn by the seed and seen by no side;
people, dock and carriers are the same for both.
"""

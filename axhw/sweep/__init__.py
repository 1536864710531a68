"""Many designs at once: on the processors of this machine, or on the workers of a dask scheduler.

Both run the same function, `axhw.sweep.task.make`, over one store; what the store holds is not made again.
"""

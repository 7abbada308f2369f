"""Training with selectivity as a dial: penalties for any loop, recipes on Lightning, units followed over epochs."""

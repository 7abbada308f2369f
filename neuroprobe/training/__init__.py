"""Training with selectivity as a dial: penalties for anybody's loop, recipes on Lightning, units followed over epochs."""

"""Bridges to Optuna [extra optuna]: its samplers in a seedleaf study, a run in its dashboard, our samplers in its studies.

Study(space, sampler=OptunaSampler(lambda seed: optuna.samplers.GPSampler(seed=seed)))
mirror(history, "runs/digits-1/optuna.journal")          # or: seedleaf dashboard runs/digits-1
optuna.create_study(sampler=SeedleafSampler(seed=0))
"""

from seedleaf.optuna_bridge.borrowed import OptunaSampler
from seedleaf.optuna_bridge.inside import SeedleafSampler
from seedleaf.optuna_bridge.mirror import mirror

__all__ = ["OptunaSampler", "SeedleafSampler", "mirror"]

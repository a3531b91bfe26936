"""Two ways to a light model, on the digits: `python examples/compress_module.py`.

A torch module of your own is made three times smaller; and a network is searched for within the same limit.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import seedleaf
from seedleaf.data.images import load_images
from seedleaf.data.spec import ImageData

LIMIT = 6_000  # parameters


def my_module() -> nn.Module:
    """Takes float images (N, 1, 8, 8) in 0..1 and gives logits (N, 10); 19,658 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def trained(module: nn.Module, data: ImageData, epochs: int = 8) -> nn.Module:
    """Trained on what is not the test part."""
    x = torch.from_numpy(np.array(data.x_train)).permute(0, 3, 1, 2) / 255
    y = torch.from_numpy(np.array(data.y_train))
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            loss = nn.functional.cross_entropy(module(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return module


def main(compressing: str = "90s", searching: str = "60s", max_trials: int | None = None) -> None:
    torch.manual_seed(0)
    data = load_images("digits")
    module = trained(my_module(), data)
    # The test part as well: of (x, y) alone one would be drawn, which the module may have been trained on.
    parts = (data.x_train, data.y_train, data.x_test, data.y_test)
    compressed = seedleaf.compress(
        module, parts, max_params=LIMIT, time_limit=compressing, max_trials=max_trials
    )
    searched = seedleaf.fit("digits", max_params=LIMIT, time_limit=searching)
    for way, result in (("compressed", compressed), ("searched", searched)):
        m = result.best.metrics
        print(f"{way} {m['params']:,} parameters, test accuracy {m['test_accuracy']:.4f}, in {result.folder}")


if __name__ == "__main__":
    main()

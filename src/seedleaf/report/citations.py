"""The bibliography that a run writes from what it used. Keys are names as the log holds them; values are references."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from seedleaf.report.facts import Facts, name_of

METHODS: Mapping[str, str] = {
    "random": "Bergstra and Bengio. Random search for hyper-parameter optimization. JMLR 13, 2012.",
    "sobol": "Sobol’. On the distribution of points in a cube and the approximate evaluation of integrals. USSR "
    "Computational Mathematics and Mathematical Physics 7(4), 1967.",
    "tpe": "Bergstra, Bardenet, Bengio and Kégl. Algorithms for hyper-parameter optimization. NeurIPS 24, 2011.",
    "asha": "Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht and Talwalkar. A system for massively parallel "
    "hyperparameter tuning. MLSys, 2020.",
    "sha": "Jamieson and Talwalkar. Non-stochastic best arm identification and hyperparameter optimization. AISTATS, 2016.",
    "hyperband": "Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar. Hyperband: a novel bandit-based approach to "
    "hyperparameter optimization. JMLR 18(185), 2018.",
    "bohb": "Falkner, Klein and Hutter. BOHB: robust and efficient hyperparameter optimization at scale. ICML, 2018.",
    "dehb": "Awad, Mallik and Hutter. DEHB: evolutionary hyperband for scalable, robust and efficient hyperparameter "
    "optimization. IJCAI, 2021.",
    "pbt": "Jaderberg et al. Population based training of neural networks. arXiv:1711.09846, 2017.",
    "cmaes": "Hansen and Ostermeier. Completely derandomized self-adaptation in evolution strategies. Evolutionary "
    "Computation 9(2), 2001.",
    "evolution": "Real, Aggarwal, Huang and Le. Regularized evolution for image classifier architecture search. AAAI, 2019.",
    "gp": "Snoek, Larochelle and Adams. Practical Bayesian optimization of machine learning algorithms. NeurIPS 25, 2012.",
    "nsga2": "Deb, Pratap, Agarwal and Meyarivan. A fast and elitist multiobjective genetic algorithm: NSGA-II. IEEE "
    "Transactions on Evolutionary Computation 6(2), 2002.",
}

# What a config may name, by its value or, where that is a number or a yes, by the last part of its key.
PARTS: Mapping[str, str] = {
    "adam": "Kingma and Ba. Adam: a method for stochastic optimization. ICLR, 2015.",
    "adamw": "Loshchilov and Hutter. Decoupled weight decay regularization. ICLR, 2019.",
    "nesterov": "Sutskever, Martens, Dahl and Hinton. On the importance of initialization and momentum in deep learning. "
    "ICML, 2013.",
    "cosine": "Loshchilov and Hutter. SGDR: stochastic gradient descent with warm restarts. ICLR, 2017.",
    "onecycle": "Smith and Topin. Super-convergence: very fast training of neural networks using large learning rates. "
    "arXiv:1708.07120, 2017.",
    "focal": "Lin, Goyal, Girshick, He and Dollár. Focal loss for dense object detection. ICCV, 2017.",
    "labelsmoothing": "Szegedy, Vanhoucke, Ioffe, Shlens and Wojna. Rethinking the Inception architecture for computer "
    "vision. CVPR, 2016.",
    "dropout": "Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov. Dropout: a simple way to prevent neural "
    "networks from overfitting. JMLR 15, 2014.",
    "depthwise": "Howard et al. MobileNets: efficient convolutional neural networks for mobile vision applications. "
    "arXiv:1704.04861, 2017.",
    "bottleneck": "He, Zhang, Ren and Sun. Deep residual learning for image recognition. CVPR, 2016.",
    "inverted": "Sandler, Howard, Zhu, Zhmoginov and Chen. MobileNetV2: inverted residuals and linear bottlenecks. CVPR, "
    "2018.",
    "squeeze": "Hu, Shen and Sun. Squeeze-and-excitation networks. CVPR, 2018.",
    "mixup": "Zhang, Cisse, Dauphin and Lopez-Paz. mixup: beyond empirical risk minimization. ICLR, 2018.",
    "cutout": "DeVries and Taylor. Improved regularization of convolutional neural networks with Cutout. "
    "arXiv:1708.04552, 2017.",
}
_SAME = {"depthwiseseparable": "depthwise", "separable": "depthwise", "dwsep": "depthwise", "invertedresidual": "inverted",
         "mbconv": "inverted", "squeezeexcite": "squeeze", "se": "squeeze", "successivehalving": "sha"}  # fmt: skip


def bibliography(facts: Facts) -> list[tuple[str, str]]:
    """(what used it, reference) for the sampler, the scheduler and the parts of the winner's config."""
    found: dict[str, str] = {}
    for role in ("sampler", "scheduler"):
        entry = facts.header.get(role)
        own = entry.get("cites") if isinstance(entry, Mapping) else None
        name = name_of(entry)
        reference = str(own) if own else METHODS.get(_key(name), "")
        if reference:
            found.setdefault(reference, f"{role} {name}")
    for word in _words(facts):
        if reference := PARTS.get(_key(word), ""):
            found.setdefault(reference, f"winner’s {word}")
    return [(used, reference) for reference, used in found.items()]


def _words(facts: Facts) -> Iterable[str]:
    for key, value in (facts.winner.config if facts.winner is not None else {}).items():
        if isinstance(value, str):
            yield value
        elif value:
            yield key.rsplit(".", 1)[-1]


def _key(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return _SAME.get(plain, plain)

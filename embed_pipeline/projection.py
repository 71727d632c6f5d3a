"""Vectors on a plane: the two principal components."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FITTED = 1_000  # rows the axes are found from where vectors are longer than that


class Plane(NamedTuple):
    """Hold points on a plane.

    Attributes:
        points: float64, shape (rows, 2).
        explained: Each axis' share of the variance; 0 where there is none.
    """

    points: NDArray[np.float64]
    explained: tuple[float, float]


def project(vectors: NDArray[np.float32]) -> Plane:
    """Project vectors on the two axes of their greatest variance.

    The axes are eigenvectors of the covariance. Those of vectors of more than FITTED values are
    found from the first FITTED rows, by way of the rows' products: a matrix of at most
    FITTED x FITTED either way. The greatest value of an axis is positive, so that the same vectors
    give the same picture. Rows that are all the same are all in the middle.

    Args:
        vectors: Shape (rows, dimension); any number of rows.
    """
    rows, dimension = vectors.shape
    if not rows:
        return Plane(np.zeros((0, 2)), (0.0, 0.0))
    centered = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    total = float((centered**2).sum())
    if total <= rows * dimension * np.finfo(np.float32).eps ** 2:
        return Plane(np.zeros((rows, 2)), (0.0, 0.0))
    points = centered @ _axes(centered)
    first, second = ((points**2).sum(axis=0) / total).tolist()
    return Plane(points, (first, second))


def _axes(centered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the two axes, shape (dimension, 2); one that there is not is of zeros."""
    rows, dimension = centered.shape
    if dimension <= min(rows, FITTED):
        axes = np.linalg.eigh(centered.T @ centered)[1][:, ::-1][:, :2]
    else:
        fitted = centered[:FITTED]
        values, vectors = np.linalg.eigh(fitted @ fitted.T)
        lengths = np.sqrt(np.maximum(values[::-1][:2], 0.0))
        axes = fitted.T @ vectors[:, ::-1][:, :2]
        known = lengths > 1e-6 * lengths[:1]
        axes = np.where(known, axes / np.where(known, lengths, 1.0), 0.0)
    axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    highest = axes[np.abs(axes).argmax(axis=0), [0, 1]]
    return np.asarray(axes * np.where(highest < 0, -1.0, 1.0))

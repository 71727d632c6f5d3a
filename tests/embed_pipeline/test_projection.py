"""The plane: the two principal components, whatever the vectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from embed_pipeline.projection import FITTED, project


def normal(rows: int, dimension: int, seed: int = 0) -> NDArray[np.float32]:
    """Return vectors whose variance falls from value to value."""
    spread = 1 / np.arange(1, dimension + 1)
    made = np.random.default_rng(seed).normal(size=(rows, dimension)) * spread
    return made.astype(np.float32)


@pytest.mark.parametrize(("rows", "dimension"), [(50, 8), (8, 50), (3, 3), (2_000, 16), (500, 200)])
def test_it_is_the_principal_components(rows: int, dimension: int) -> None:
    vectors = normal(rows, dimension)
    plane = project(vectors)
    centered = vectors - vectors.mean(axis=0, dtype=np.float64)
    left, values, _ = np.linalg.svd(centered, full_matrices=False)
    assert np.abs(np.abs(plane.points) - np.abs(left[:, :2] * values[:2])).max() < 1e-5
    shares = values[:2] ** 2 / (values**2).sum()
    assert plane.explained == pytest.approx(shares.tolist(), rel=1e-5)


def test_axes_of_long_vectors_are_found_from_some_rows_and_hold_for_all() -> None:
    rng = np.random.default_rng(1)
    centers = rng.normal(size=(2, 1_500)) * 3
    group = np.arange(1_200) % 2
    vectors = (centers[group] + 0.01 * rng.normal(size=(1_200, 1_500))).astype(np.float32)
    assert vectors.shape[1] > FITTED
    plane = project(vectors)
    assert plane.explained[0] > 0.99
    assert len(set((plane.points[:, 0] > 0) == group)) == 1


@pytest.mark.parametrize("rows", [0, 1])
def test_no_vector_or_one_has_no_variance(rows: int) -> None:
    plane = project(normal(rows, 8))
    assert plane.points.tolist() == [[0.0, 0.0]] * rows
    assert plane.explained == (0.0, 0.0)


def test_two_vectors_are_on_one_axis() -> None:
    plane = project(normal(2, 8))
    assert plane.explained == pytest.approx((1.0, 0.0))
    assert plane.points[0, 0] == pytest.approx(-plane.points[1, 0])
    assert np.abs(plane.points[:, 1]).max() < 1e-6


@pytest.mark.parametrize("dimension", [8, 384])
def test_vectors_that_are_all_the_same_are_all_in_the_middle(dimension: int) -> None:
    plane = project(np.repeat(normal(1, dimension), 20, axis=0))
    assert plane.points.tolist() == [[0.0, 0.0]] * 20
    assert plane.explained == (0.0, 0.0)


def test_vectors_of_one_value_have_one_axis() -> None:
    plane = project(normal(5, 1))
    assert plane.explained == pytest.approx((1.0, 0.0))


@given(st.integers(0, 12), st.integers(1, 12), st.integers(0, 99))
def test_any_vectors_have_a_plane(rows: int, dimension: int, seed: int) -> None:
    plane = project(normal(rows, dimension, seed))
    assert plane.points.shape == (rows, 2)
    assert np.isfinite(plane.points).all()
    first, second = plane.explained
    assert -1e-9 <= second <= first + 1e-9 <= 1 + 1e-6


def test_the_sign_of_an_axis_does_not_depend_on_the_order_of_the_rows() -> None:
    vectors = normal(100, 8)
    order = np.random.default_rng(3).permutation(100)
    assert np.allclose(project(vectors).points[order], project(vectors[order]).points, atol=1e-6)

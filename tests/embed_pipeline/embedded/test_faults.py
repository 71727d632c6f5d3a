"""The error that carries an answer."""

import pickle

from embed_pipeline.embedded.faults import ContractError


def test_a_contract_error_carries_its_status_and_message() -> None:
    error = ContractError(404, "model 'x' not found")
    assert (error.status, error.message) == (404, "model 'x' not found")
    assert str(error) == "(404, \"model 'x' not found\")"


def test_a_contract_error_can_leave_its_process() -> None:
    error = pickle.loads(pickle.dumps(ContractError(413, "too large")))  # noqa: S301 - our own
    assert (error.status, error.message) == (413, "too large")

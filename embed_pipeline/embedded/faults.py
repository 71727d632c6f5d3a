"""What the endpoint answers when it cannot do what was asked."""


class ContractError(Exception):
    """Carry the status and the text of an error answer.

    Args:
        status: The HTTP status.
        message: What the body's `error` says; never a part of a text to embed.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

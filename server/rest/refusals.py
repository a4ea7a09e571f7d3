"""What an endpoint refuses: `{"message": …, "detail"?: …, "validations"?: […]}`."""

from __future__ import annotations

from collections.abc import Sequence

from resolvers.search import Validation


class RefusedError(Exception):
    """A request that is answered with an error; the texts are the contract's, to the letter."""

    def __init__(
        self, status: int, message: str, detail: str = "", validations: Sequence[Validation] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.detail = detail
        self.validations = validations

    def body(self) -> dict[str, object]:
        """Return the error as JSON has it; what is empty is left out."""
        body: dict[str, object] = {"message": self.message}
        if self.detail:
            body["detail"] = self.detail
        if self.validations:
            body["validations"] = [
                {"field": validation.field, "detail": validation.detail}
                for validation in self.validations
            ]
        return body

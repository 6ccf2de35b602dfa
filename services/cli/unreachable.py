from shared.errors import FirsthourError


class Unreachable(FirsthourError):  # noqa: N818 - reads as what happened
    """A dependency did not answer in time; the message names the setting that holds its address."""

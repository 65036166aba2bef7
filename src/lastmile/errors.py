"""The one error that command lines show as a sentence instead of a traceback."""


class UserError(ValueError):
    """
    Something that the person who gave the input can mend.

    The message names the value and the rule that it breaks.
    """

"""What makes widgets quick: one thread for small matrices."""

from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread():
    """Inside this context linear algebra runs on one thread.

    For some hundred rows that is quicker, above all on cores that others use as well, where threads wait for each other.
    """
    return _pools().limit(limits=1)

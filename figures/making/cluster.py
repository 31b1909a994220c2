"""Where many cells are computed: processes of this machine, or the workers of a Dask cluster."""

import os
import threading
import time
from contextlib import contextmanager

import psutil

from mrntk.support.errors import MrntkError


def end_with_parent():
    """From now on this process ends soon after its parent, whatever ended that. The workers of Dask do so by themselves."""
    parent = psutil.Process().parent()

    def watch():
        while psutil.Process().parent() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def backend(dask: str | None, jobs: int):
    """Options for `joblib.parallel_config`: loky's processes, or Dask's workers while its client is open.

    The workers of a cluster need this package and the checkout under the same path. "local" starts a cluster here.

    Raises
    ------
    MrntkError
        If dask is not installed, or its scheduler does not answer.
    """
    if dask is None:
        yield {"backend": "loky", "n_jobs": jobs, "inner_max_num_threads": 1, "initializer": end_with_parent}
        return
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise MrntkError("--dask needs the package distributed: pip install distributed.") from None
    cluster = None
    try:
        if dask == "local":
            cluster = LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None)
        client = Client(cluster or dask, timeout="20s")
    except (OSError, TimeoutError, ValueError) as error:
        raise MrntkError(
            f"--dask {dask}: no scheduler answers there ({type(error).__name__}); give its address, such as "
            "tcp://10.0.0.1:8786, or local for a cluster on this machine."
        ) from None
    try:
        yield {"backend": "dask", "client": client}
    finally:
        client.close()
        if cluster is not None:
            cluster.close()

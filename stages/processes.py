"""A stage as several processes: starting them by torchrun, and joining the others in each."""

import contextlib
import os
import shlex
import time
from collections.abc import Iterator

from pplr.errors import PplrError
from pplr.settings.checks import launcher_error
from pplr.settings.device_checks import check_device_number

# The first process to fail says so; the others, which mostly fail alike, are ended meanwhile.
SECONDS_FOR_THE_FIRST = 5


def start(launcher: str, *arguments: str) -> int:
    """Return the exit code of a stage that torchrun starts as several processes."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # torchrun's own default, without its warning
    try:
        torchrun([*shlex.split(launcher)[1:], "-m", "stages.launch", *arguments])
    except ChildFailedError:  # the child has said why
        return 1
    except SignalException:  # its processes have been ended
        raise KeyboardInterrupt from None
    except Exception as error:  # what torchrun finds only now: an address that is none, say
        raise launcher_error(launcher, str(error)) from None
    return 0


@contextlib.contextmanager
def joined(device: str) -> Iterator[None]:
    """Join the processes that torchrun has started; all but the first keep silent."""
    import torch
    import torch.distributed as dist

    on_gpu = device.startswith("cuda")
    if on_gpu:
        check_device_number(int(os.environ["LOCAL_WORLD_SIZE"]))
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))  # `cuda` is this one from now on
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        with contextlib.ExitStack() as stack:
            if dist.get_rank() > 0:
                nowhere = stack.enter_context(open(os.devnull, "w"))  # noqa: PTH123
                stack.enter_context(contextlib.redirect_stdout(nowhere))
                stack.enter_context(contextlib.redirect_stderr(nowhere))
            yield
    except (PplrError, OSError):
        raise
    except Exception:  # such as the end of another process, which is to tell the cause first
        time.sleep(2 * SECONDS_FOR_THE_FIRST)
        raise
    finally:
        dist.destroy_process_group()

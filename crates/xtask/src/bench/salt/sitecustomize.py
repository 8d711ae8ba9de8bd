# Salt 3008.3 cancels tasks that it believes nobody waits for. Before Python 3.12 asyncio.wait_for makes such a task inside
# a request to the master, so a syndic's requests never end and nothing passes through it. Python reads this file before
# Salt's programs begin: no task is an orphan.
import sys

if sys.version_info < (3, 12):
    from salt.utils.asynchronous import SyncWrapper

    SyncWrapper._task_is_orphan = classmethod(lambda cls, task, exclude: False)

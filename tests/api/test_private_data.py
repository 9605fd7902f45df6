"""What the platform stores is for its own user alone."""

import stat

from stories import encoded, song, upload

from tests.stacks import Stack


def test_no_other_user_may_read_what_the_stack_stores(stack: Stack) -> None:
    with stack.client() as client:
        upload(client, encoded(song()))
    [folder] = stack.data_dirs
    stored = [folder, *(path for path in folder.rglob("*") if path.suffix != ".log")]  # the tests write the logs
    assert any(path.match("blobs/**/*") for path in stored)
    # The sockets need no mode of their own: nobody else may enter their folder.
    stored = [path for path in stored if path.is_dir() or path.is_file()]
    assert [path for path in stored if stat.S_IMODE(path.stat().st_mode) & 0o077] == []

from catalog.local.disk_watch import DiskWatch

MEGABYTE = 1024 * 1024


def test_every_change_of_level_is_told_once() -> None:
    sizes = iter([5000, 900, 900, 150, 140, 1500])
    watch = DiskWatch(lambda: next(sizes) * MEGABYTE)

    told = [watch.look() for _ in range(6)]

    assert told[0] is None
    assert told[1] == "The disk is getting full: 900 MB left."
    assert told[2] is None
    assert told[3] is not None
    assert told[3].startswith("The disk is full (150 MB left).")
    assert told[4] is None
    assert told[5] == "The disk has room again: 1,500 MB left."


def test_a_size_that_wavers_at_the_border_is_told_once() -> None:
    sizes = iter([199, 201, 199, 201, 260])
    watch = DiskWatch(lambda: next(sizes) * MEGABYTE)

    told = [watch.look() for _ in range(5)]

    assert [text is not None for text in told] == [True, False, False, False, True]
    assert not watch.is_full


def test_a_disk_that_cannot_be_measured_is_no_news() -> None:
    def fail() -> int:
        raise OSError

    assert DiskWatch(fail).look() is None

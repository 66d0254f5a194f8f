import threading

import pytest

from raftops.generation.stream import Emit, pieces


def test_pieces_come_in_order_and_empty_ones_are_left_out() -> None:
    def produce(emit: Emit) -> None:
        for piece in ("a", "", "b"):
            emit(piece)

    assert list(pieces(produce)) == ["a", "b"]


def test_closing_the_stream_stops_the_engine() -> None:
    stopped = threading.Event()

    def produce(emit: Emit) -> None:
        while not emit("x"):
            pass
        stopped.set()

    stream = pieces(produce)
    assert next(stream) == "x"
    stream.close()
    assert stopped.is_set()


def test_an_error_of_the_engine_reaches_the_reader() -> None:
    def produce(emit: Emit) -> None:
        emit("a")
        raise RuntimeError("out of memory")

    stream = pieces(produce)
    assert next(stream) == "a"
    with pytest.raises(RuntimeError, match="out of memory"):
        next(stream)

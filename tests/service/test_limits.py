"""What one caller may use, in this process and in a real Redis that two replicas share."""

import asyncio
import shutil
import subprocess
import sys
import time

import pytest

from raftops.errors import ServiceError
from raftops.service.app import create_app
from raftops.service.limits import Callers
from raftops.service.live import Refused
from raftops.service.metrics import Metrics
from raftops.service.settings import Settings
from raftops.spec.model.serving import Limits
from tests.retrieval.tiny import passage
from tests.service.asgi import call
from tests.service.doubles import Held, Says, live

LEAVE = passage(1, "Employees in Norway get 27 days of leave.", "open", "Leave", "leave.md")


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    """The address of a real Redis server on a socket in a folder of its own, and the server."""
    program = shutil.which("redis-server")
    if not program:
        pytest.skip("no redis-server here (apt-get install redis-server)")
    folder = tmp_path_factory.mktemp("redis")
    socket = folder / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        while not socket.exists():
            time.sleep(0.02)
        yield f"redis+unix://{socket}", server
        server.terminate()


@pytest.fixture(params=["here", "redis"])
def store(request):
    return "" if request.param == "here" else request.getfixturevalue("redis")[0]


def refused(callers, principal="a", kind="chat"):
    with pytest.raises(Refused) as caught:
        callers.enter(principal, kind)
    assert caught.value.status == 429
    return caught.value


def test_a_caller_has_so_many_requests_open_and_others_have_theirs():
    callers = Callers(Limits(requests_at_once=2))
    leave = callers.enter("a", "chat")
    callers.enter("a", "search")
    assert refused(callers).code == "caller_busy"
    callers.enter("b", "chat")
    leave()
    callers.enter("a", "chat")


def test_questions_and_searches_of_a_minute_are_counted_apart_and_by_caller(store, request):
    callers = Callers(Limits(questions_per_minute=3, searches_per_minute=1), store)
    who = request.node.name
    for _ in range(3):
        callers.enter(who, "chat")
    limit = refused(callers, who)
    assert limit.code == "rate_limit_exceeded" and "3 questions" in limit.message and 1 <= limit.retry_after <= 60
    callers.enter(who, "search")
    assert "1 searches" in refused(callers, who, "search").message
    callers.enter("another " + who, "chat")
    callers.enter(who, "models")


def test_the_answer_that_goes_over_the_tokens_of_a_day_is_the_last_one(store, request):
    callers = Callers(Limits(tokens_per_day=100), store)
    who = request.node.name
    callers.spent(who, 99)
    callers.enter(who, "chat")
    callers.spent(who, 500)
    limit = refused(callers, who)
    assert limit.code == "insufficient_quota" and 3600 < limit.retry_after <= 86400
    callers.enter(who, "search")
    callers.enter("another " + who, "chat")


def test_nothing_is_limited_by_zero():
    callers = Callers(Limits(questions_per_minute=0, tokens_per_day=0))
    callers.spent("a", 10**12)
    for _ in range(2000):
        callers.enter("a", "chat")()


def test_two_replicas_count_in_one_redis(redis):
    limits = Limits(questions_per_minute=4)
    replicas = [Callers(limits, redis[0]) for _ in range(2)]
    for replica in replicas * 2:
        replica.enter("shared", "chat")
    assert [refused(replica, "shared").code for replica in replicas] == ["rate_limit_exceeded"] * 2


def test_no_name_of_a_caller_lies_in_redis(redis):
    Callers(Limits(tokens_per_day=10), redis[0]).spent("alice@example.org", 1)
    socket = redis[0].partition("//")[2]
    keys = subprocess.run(["redis-cli", "-s", socket, "keys", "*"], capture_output=True, text=True, check=True).stdout
    assert "raftops/tokens" in keys and "alice" not in keys


def test_while_redis_is_away_each_replica_counts_for_itself(caplog):
    callers = Callers(Limits(questions_per_minute=2), "redis://:secret-word@127.0.0.1:1/0")
    callers.enter("a", "chat")
    callers.enter("a", "chat")
    assert refused(callers).code == "rate_limit_exceeded"
    assert len(caplog.records) == 1 and "secret-word" not in caplog.text


def test_an_address_that_is_none_and_a_variable_that_is_not_set_are_said_at_the_start():
    with pytest.raises(ServiceError, match="deploy.limits.store") as caught:
        Callers(Limits(), "mailto:secret-word")
    assert "secret-word" not in str(caught.value)
    store = {"secret": "redis", "key": "address", "env": "SHARED_LIMITS"}
    said = {"RAFTOPS_LIMITS": Limits(store=store).model_dump_json()}
    with pytest.raises(ServiceError, match="SHARED_LIMITS is not set"):
        Settings.of(said)
    assert Settings.of(said | {"SHARED_LIMITS": "redis://x"}).limits_store == "redis://x"


def service(limits):
    metrics = Metrics()
    held = Held(live([LEAVE], Says("27 days [1]")))
    return create_app(held, metrics, callers=Callers(limits)), metrics


def test_over_http_a_limit_is_the_callers_and_says_so_without_a_word_about_others():
    app, metrics = service(Limits(questions_per_minute=2, tokens_per_day=250))

    async def ask():
        staff = [await call(app) for _ in range(3)]
        boss = [await call(app, "boss")]
        return staff, boss, await call(app, path="/v1/search")

    staff, boss, search = asyncio.run(ask())
    assert [answer.status for answer in staff] == [200, 200, 429] and boss[0].status == search.status == 200
    assert staff[-1].code == "rate_limit_exceeded" and int(staff[-1].headers["retry-after"]) >= 1
    assert metrics.registry.get_sample_value("raftops_limited_total", {"limit": "rate_limit_exceeded"}) == 1


def test_a_stranger_uses_up_nobodys_share():
    app, _ = service(Limits(questions_per_minute=1, requests_at_once=1))

    async def ask():
        return [(await call(app, token)).status for token in ("stranger", "stranger", "stranger", "staff", "boss")]

    assert asyncio.run(ask()) == [401, 401, 401, 200, 200]


def test_tokens_of_an_answer_are_counted_and_end_the_day():
    app, _ = service(Limits(tokens_per_day=150))  # an answer of the double takes 107

    async def ask():
        return [await call(app) for _ in range(3)]

    answers = asyncio.run(ask())
    assert [answer.status for answer in answers] == [200, 200, 429] and answers[-1].code == "insufficient_quota"


def test_limits_are_not_imported_to_read_a_spec():
    code = "import sys, raftops.spec.load; assert not {'limits', 'redis'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
